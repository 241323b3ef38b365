//! Recordings as programs really write them, and as they should not be.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const ALAW: u16 = 6;
const MULAW: u16 = 7;

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn padded(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = chunk(id, body);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

/// A 16-byte `fmt ` chunk.
fn format(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let block = channels * bits.div_ceil(8);
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend((rate * u32::from(block)).to_le_bytes());
    body.extend(block.to_le_bytes());
    body.extend(bits.to_le_bytes());
    chunk(b"fmt ", &body)
}

/// A 40-byte `WAVEFORMATEXTENSIBLE`.
fn extensible(sub_format: u16, channels: u16, rate: u32, bits: u16, valid: u16) -> Vec<u8> {
    let mut body = format(0xFFFE, channels, rate, bits)[8..].to_vec();
    body.extend(22_u16.to_le_bytes());
    body.extend(valid.to_le_bytes());
    body.extend(0_u32.to_le_bytes());
    body.extend(sub_format.to_le_bytes());
    body.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    chunk(b"fmt ", &body)
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    body.extend(chunks.concat());
    chunk(b"RIFF", &body)
}

/// A `data` chunk whose header declares another length than it has.
fn declared(length: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = chunk(b"data", body);
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn shorts(samples: &[i16]) -> Vec<u8> {
    samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect()
}

fn decode(bytes: &[u8]) -> Result<Decoded, Error> {
    read_wav(bytes, "test.wav")
}

fn samples(bytes: &[u8]) -> Vec<f32> {
    decode(bytes).unwrap().waveform.samples
}

fn message(bytes: &[u8]) -> String {
    let message = decode(bytes).unwrap_err().to_string();
    assert!(message.contains("test.wav"), "{message}");
    assert!(!message.contains('\n'), "{message}");
    message
}

const FOUR: [i16; 4] = [1000, -2000, 3000, -32768];
const FOUR_READ: [f32; 4] = [1000.0 / 32768.0, -2000.0 / 32768.0, 3000.0 / 32768.0, -1.0];

fn mono16() -> Vec<u8> {
    format(PCM, 1, 16000, 16)
}

#[test]
fn chunks_before_the_samples_are_gone_past() {
    let before: [&[Vec<u8>]; 4] = [
        &[padded(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0\0")],
        &[
            padded(b"bext", &[b'x'; 602]),
            padded(b"fact", &[4, 0, 0, 0]),
        ],
        &[padded(b"id3 ", b"ID3\x03\0\0\0\0\0\x01x")],
        &[padded(b"JUNK", &[0; 28]), padded(b"abcd", &[1; 7])],
    ];
    for chunks in before {
        let mut file = vec![mono16()];
        file.extend_from_slice(chunks);
        file.push(chunk(b"data", &shorts(&FOUR)));
        assert_eq!(samples(&riff(&file)), FOUR_READ);
        // The same chunks before the format.
        file.rotate_left(1);
        let last = file.len() - 1;
        file.swap(last - 1, last);
        assert_eq!(samples(&riff(&file)), FOUR_READ);
    }
}

#[test]
fn an_odd_chunk_may_have_its_pad_byte_or_not() {
    for id in [b"LIST", b"bext", b"id3 ", b"wxyz"] {
        for last in [vec![0], vec![b' '], vec![0xFF], vec![]] {
            for next in [vec![], padded(b"LIST", b"INFO")] {
                let mut odd = chunk(id, b"12345");
                odd.extend(&last);
                let file = [mono16(), odd, next.clone(), chunk(b"data", &shorts(&FOUR))];
                assert_eq!(samples(&riff(&file)), FOUR_READ, "{id:?} {last:?} {next:?}");
            }
        }
    }
}

#[test]
fn a_length_that_a_pipe_left_open_means_to_the_end() {
    for length in [
        0,
        0x7FFF_F000,
        0x7FFF_FFFF,
        0x8000_0000,
        u32::MAX - 36,
        u32::MAX,
    ] {
        let file = riff(&[mono16(), declared(length, &shorts(&FOUR))]);
        let decoded = decode(&file).unwrap();
        assert_eq!(decoded.waveform.samples, FOUR_READ, "{length:#x}");
        assert_eq!(decoded.notices, []);
    }
}

#[test]
fn any_other_length_must_be_there() {
    let one_less = 0x7FFF_F000 - 1;
    for (length, shown) in [(10, "10"), (one_less, "2147479551")] {
        let message = message(&riff(&[mono16(), declared(length, &shorts(&FOUR))]));
        assert!(message.contains("truncated"), "{message}");
        assert!(
            message.contains(&format!("{shown} bytes of audio and 8 are there")),
            "{message}"
        );
    }
}

#[test]
fn what_follows_the_samples_is_not_read() {
    let file = riff(&[
        mono16(),
        chunk(b"data", &shorts(&FOUR)),
        padded(b"LIST", b"INFO"),
    ]);
    assert_eq!(samples(&file), FOUR_READ);
}

#[test]
fn the_length_of_rf64_stands_in_its_ds64_chunk() {
    let mut sizes = vec![0; 28];
    sizes[8..16].copy_from_slice(&8_u64.to_le_bytes());
    let data = declared(u32::MAX, &shorts(&FOUR));
    let mut file = riff(&[
        padded(b"ds64", &sizes),
        mono16(),
        data,
        padded(b"LIST", b"INFO"),
    ]);
    file[..4].copy_from_slice(b"RF64");
    assert_eq!(samples(&file), FOUR_READ);
}

#[test]
fn a_part_of_a_sample_is_left_out_and_told() {
    let mut data = shorts(&FOUR);
    data.push(7);
    for length in [9, 0, u32::MAX] {
        let decoded = decode(&riff(&[mono16(), declared(length, &data)])).unwrap();
        assert_eq!(decoded.waveform.samples, FOUR_READ);
        assert_eq!(decoded.notices, [Notice::PartialSample { bytes: 1 }]);
    }
    // Three samples of two channels: one and a half frames.
    let file = riff(&[
        format(PCM, 2, 16000, 16),
        chunk(b"data", &shorts(&FOUR[..3])),
    ]);
    let decoded = decode(&file).unwrap();
    assert_eq!(decoded.waveform.samples, [-500.0 / 32768.0]);
    let told = [
        Notice::Mixed { channels: 2 },
        Notice::PartialSample { bytes: 2 },
    ];
    assert_eq!(decoded.notices, told);
}

#[test]
fn integers_of_every_width_have_the_same_full_scale() {
    // The least value, minus a half, zero, a half.
    let expected = [-1.0, -0.5, 0.0, 0.5];
    let wide: [i32; 4] = [i32::MIN, i32::MIN / 2, 0, 1 << 30];
    for (bits, skip) in [(16, 2), (24, 1), (32, 0)] {
        let data: Vec<u8> = wide
            .iter()
            .flat_map(|v| v.to_le_bytes()[skip..].to_vec())
            .collect();
        for header in [
            format(PCM, 1, 8000, bits),
            extensible(PCM, 1, 8000, bits, bits),
        ] {
            assert_eq!(
                samples(&riff(&[header, chunk(b"data", &data)])),
                expected,
                "{bits}"
            );
        }
    }
    let bytes = riff(&[format(PCM, 1, 8000, 8), chunk(b"data", &[0, 64, 128, 192])]);
    assert_eq!(samples(&bytes), expected);
}

#[test]
fn fewer_valid_bits_than_the_container_has_stand_in_its_upper_bits() {
    // Extensible, 24 valid of 32 bits: upper-aligned, as Microsoft says.
    let data = [0, 0, 0, 0x40, 0, 0, 0, 0xC0];
    let header = extensible(PCM, 1, 48000, 32, 24);
    assert_eq!(
        samples(&riff(&[header, chunk(b"data", &data)])),
        [0.5, -0.5]
    );
    // Twelve bits in two bytes.
    let header = format(PCM, 1, 8000, 12);
    assert_eq!(samples(&riff(&[header, chunk(b"data", &[0, 0x40])])), [0.5]);
}

#[test]
fn twenty_four_bits_in_four_bytes_are_arecords_lower_three() {
    let mut header = format(PCM, 1, 48000, 24);
    header[20..22].copy_from_slice(&4_u16.to_le_bytes());
    let data = [0, 0, 0x40, 0x12, 0, 0, 0xC0, 0x34];
    assert_eq!(
        samples(&riff(&[header, chunk(b"data", &data)])),
        [0.5, -0.5]
    );
}

#[test]
fn floats_are_read_as_they_are() {
    let values = [0.25_f32, -1.5, 1e-20];
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    for header in [
        format(FLOAT, 1, 16000, 32),
        extensible(FLOAT, 1, 16000, 32, 32),
    ] {
        assert_eq!(samples(&riff(&[header, chunk(b"data", &data)])), values);
    }
    let data: Vec<u8> = values
        .iter()
        .flat_map(|v| f64::from(*v).to_le_bytes())
        .collect();
    let file = riff(&[format(FLOAT, 1, 16000, 64), chunk(b"data", &data)]);
    assert_eq!(samples(&file), values);
}

#[test]
fn telephone_codes_are_decoded_in_extensible_files_too() {
    let codes = [0x80, 0x00, 0xFF];
    for (tag, expected) in [
        (MULAW, [32124.0, -32124.0, 0.0]),
        (ALAW, [5504.0, -5504.0, 848.0]),
    ] {
        for header in [format(tag, 1, 8000, 8), extensible(tag, 1, 8000, 8, 8)] {
            let read = samples(&riff(&[header, chunk(b"data", &codes)]));
            assert_eq!(read, expected.map(|v| v / 32768.0), "{tag}");
        }
    }
}

#[test]
fn channels_are_mixed_to_their_mean_and_told() {
    let data = shorts(&[3000, 1000, 2000, -100, -200, -300]);
    let decoded = decode(&riff(&[format(PCM, 3, 16000, 16), chunk(b"data", &data)])).unwrap();
    assert_eq!(
        decoded.waveform.samples,
        [2000.0 / 32768.0, -200.0 / 32768.0]
    );
    assert_eq!(decoded.notices, [Notice::Mixed { channels: 3 }]);
    assert_eq!(decoded.notices[0].to_string(), "3 channels mixed to one");
}

#[test]
fn headers_that_make_no_sense_are_refused_in_one_line() {
    let data = || chunk(b"data", &shorts(&FOUR));
    let file = |format: Vec<u8>| riff(&[format, data()]);
    let mut wrong_block = format(PCM, 2, 16000, 16);
    wrong_block[20..22].copy_from_slice(&7_u16.to_le_bytes());
    let mut guid = extensible(PCM, 1, 16000, 16, 16);
    guid[40] = 9;
    let cases = [
        (file(format(PCM, 0, 16000, 16)), "0 channels"),
        (file(format(PCM, 1, 0, 16)), "a sample rate of 0 Hz"),
        (file(format(PCM, 1, 999, 16)), "a sample rate of 999 Hz"),
        (
            file(format(PCM, 1, 768_001, 16)),
            "a sample rate of 768001 Hz",
        ),
        (file(format(PCM, 1, 16000, 0)), "0 bits a sample in 0 bytes"),
        (
            file(format(PCM, 1, 16000, 40)),
            "40 bits a sample in 5 bytes",
        ),
        (file(format(FLOAT, 1, 16000, 16)), "16 bits a sample"),
        (file(wrong_block), "2 channels in blocks of 7 bytes"),
        (file(guid), "sub-format"),
        (
            file(format(2, 1, 16000, 4)),
            "WAV format 0x0002 (Microsoft ADPCM) is not supported",
        ),
        (file(format(0x55, 1, 16000, 0)), "(MP3) is not supported"),
        (
            riff(&[data(), mono16()]),
            "`data` chunk stands before any `fmt ` chunk",
        ),
        (
            riff(&[chunk(b"fmt ", &[1, 0, 1, 0]), data()]),
            "`fmt ` chunk has 4 bytes",
        ),
        (Vec::new(), "is empty (0 bytes)"),
        (riff(&[mono16()]), "a header and no samples"),
        (
            riff(&[mono16(), chunk(b"data", &[])]),
            "a header and no samples",
        ),
        (
            riff(&[mono16(), chunk(b"data", &[1])]),
            "a header and no samples",
        ),
        (b"RIFF\x04\0\0\0AVI LIST".to_vec(), "begins with"),
        (b"not audio at all".to_vec(), "begins with `not audio at`"),
        (
            b"NIST_1A\n   1024\n".to_vec(),
            "Ogg Vorbis: NIST SPHERE: convert it",
        ),
        (b"\0\0\0\x1Cftypqt  ".to_vec(), "MPEG-4 or M4A: convert it"),
        (b"version https://git-lfs".to_vec(), "a Git LFS pointer"),
        (vec![0; 64], "begins with bytes 00 00"),
        (b"RIFF\x04\0".to_vec(), "ends inside its RIFF header"),
        (
            riff(&[mono16(), chunk(b"LIST", b"INFO")[..6].to_vec()]),
            "ends inside a chunk header",
        ),
        (
            riff(&[mono16(), declared(u32::MAX - 2, b"")[4..].to_vec()]),
            "ends inside",
        ),
    ];
    for (bytes, expected) in cases {
        let message = message(&bytes);
        assert!(message.contains(expected), "{message} | {expected}");
    }
}

#[test]
fn a_sample_that_is_no_number_is_named_with_its_place() {
    for (bad, shown) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        let mut values = vec![0.1_f32; 100_000];
        values[80_001] = bad;
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let message = message(&riff(&[format(FLOAT, 2, 16000, 32), chunk(b"data", &data)]));
        let place = format!("sample 40000 (at 2.500 s) is {shown}:");
        assert!(message.contains(&place), "{message}");
    }
}

#[test]
fn a_twentieth_of_a_second_is_a_recording() {
    let file = riff(&[mono16(), chunk(b"data", &shorts(&[5; 800]))]);
    assert_eq!(decode(&file).unwrap().waveform.seconds(), 0.05);
}

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn a_format_is_known_by_its_bytes_not_by_its_name() {
    let (_folder, path) = written(
        "really-a-wav.mp3",
        &riff(&[mono16(), chunk(b"data", &shorts(&FOUR))]),
    );
    assert_eq!(read(&path).unwrap().waveform.samples, FOUR_READ);
    let (_folder, path) = written("notes.wav", b"These are my notes.");
    let message = read(&path).unwrap_err().to_string();
    assert!(
        message.contains("notes.wav is not WAV, FLAC, MP3 or Ogg Vorbis"),
        "{message}"
    );
}

#[test]
fn a_folder_and_a_missing_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("is a directory"), "{message}");
    let message = read(&folder.path().join("none.wav"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("none.wav: cannot read it: No such file"),
        "{message}"
    );
}

#[test]
fn a_duration_is_told_by_the_header_and_checked_against_the_file() {
    let whole = riff(&[
        mono16(),
        padded(b"LIST", b"INFO"),
        chunk(b"data", &shorts(&[1; 1600])),
    ]);
    let (_folder, path) = written("a.wav", &whole);
    assert_eq!(duration(&path).unwrap(), 0.1);
    let (_folder, path) = written("cut.wav", &whole[..whole.len() - 2]);
    let message = duration(&path).unwrap_err().to_string();
    assert!(
        message.contains("3200 bytes of audio and 3198 are there"),
        "{message}"
    );
    let open = riff(&[mono16(), declared(u32::MAX, &shorts(&[1; 1600]))]);
    let (_folder, path) = written("open.wav", &open);
    assert_eq!(duration(&path).unwrap(), 0.1);
    let (_folder, path) = written("none.wav", &riff(&[mono16(), chunk(b"data", &[])]));
    assert!(matches!(duration(&path), Err(Error::NoSamples { .. })));
}

#[test]
fn a_span_is_what_cutting_by_hand_gives() {
    let ramp: Vec<i16> = (0..30_000).map(|i| i as i16).collect();
    let (_folder, path) = written(
        "ramp.wav",
        &riff(&[mono16(), chunk(b"data", &shorts(&ramp))]),
    );
    let span = |start, end| read_span(&path, 16000, start, end).map(|d| d.waveform.samples);
    let cut = |from: usize, to: usize| -> Vec<f32> {
        ramp[from..to]
            .iter()
            .map(|&v| f32::from(v) / 32768.0)
            .collect()
    };
    assert_eq!(span(0.5, Some(0.75)).unwrap(), cut(8000, 12000));
    assert_eq!(span(1.0, None).unwrap(), cut(16000, 30000));
    assert_eq!(span(1.5, Some(9.0)).unwrap(), cut(24000, 30000));
    let message = span(2.0, None).unwrap_err().to_string();
    assert!(message.contains("from 2 s on"), "{message}");

    let by_hand = Waveform {
        samples: cut(8000, 12000),
        sample_rate: 16000,
    };
    let resampled = read_span(&path, 8000, 0.5, Some(0.75)).unwrap();
    assert_eq!(resampled.waveform, resample(&by_hand, 8000).unwrap());
    assert_eq!(
        resampled.notices,
        [Notice::Resampled {
            from: 16000,
            to: 8000
        }]
    );
}

#[test]
fn a_pipe_may_give_a_wav_only() {
    let message = |bytes: &'static [u8]| {
        Blocks::from_wav(bytes, "standard input", 16000)
            .map(drop)
            .unwrap_err()
            .to_string()
    };
    let flac = message(b"fLaC\0\0\0\x22\x10\0\x10\0");
    assert!(
        flac.starts_with("standard input is not WAV, and only WAV"),
        "{flac}"
    );
    assert!(message(b"").contains("is empty"));
}

#[test]
fn a_rate_out_of_range_is_refused_before_any_work() {
    let waveform = Waveform {
        samples: vec![0.0; 10],
        sample_rate: 16000,
    };
    for rate in [0, 999, u32::MAX] {
        assert!(matches!(
            resample(&waveform, rate),
            Err(Error::SampleRate { .. })
        ));
    }
}

#[test]
fn resampling_is_aligned_of_exact_length_and_free_of_aliases() {
    // In band the signal at the new rate is known in closed form; above the new Nyquist nothing may be left.
    let seconds = 0.5;
    for (from, to) in [
        (44100, 16000),
        (8000, 16000),
        (16000, 8000),
        (16000, 16001),
        (11025, 8000),
    ] {
        let nyquist = f64::from(from.min(to)) / 2.0;
        let tone = |rate: u32, hertz: f64| -> Vec<f32> {
            let window = |t: f64| (std::f64::consts::PI * t / seconds).sin().powi(4);
            let sample = |i: usize| {
                let t = i as f64 / f64::from(rate);
                (window(t) * (std::f64::consts::TAU * hertz * t).sin()) as f32
            };
            (0..(seconds * f64::from(rate)).round() as usize)
                .map(sample)
                .collect()
        };
        for share in [0.01, 0.5, 0.93] {
            let samples = tone(from, share * nyquist);
            let length = samples.len() as u64;
            let expected = (length * u64::from(to) * 2 + u64::from(from)) / (2 * u64::from(from));
            let resampled = resample(
                &Waveform {
                    samples,
                    sample_rate: from,
                },
                to,
            )
            .unwrap();
            assert_eq!(resampled.samples.len() as u64, expected);
            let ideal = tone(to, share * nyquist);
            let worst = resampled
                .samples
                .iter()
                .zip(&ideal)
                .map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            assert!(worst < 2e-5, "{from} to {to} at {share}: {worst}");
        }
        if to < from {
            let samples = tone(from, 1.05 * nyquist);
            let resampled = resample(
                &Waveform {
                    samples,
                    sample_rate: from,
                },
                to,
            )
            .unwrap();
            let worst = resampled
                .samples
                .iter()
                .map(|a| a.abs())
                .fold(0.0, f32::max);
            assert!(worst < 1e-4, "{from} to {to}: alias of {worst}");
        }
    }
}

/// Every format that has an exact inverse: its header, the bytes of a sample, and what must be read.
fn encode(kind: usize, value: i32) -> (Vec<u8>, f32) {
    let float = value as f32 / 2_147_483_648.0;
    match kind {
        0 => {
            let byte = (value >> 24) as i8;
            (vec![(i16::from(byte) + 128) as u8], f32::from(byte) / 128.0)
        }
        1 => {
            let short = (value >> 16) as i16;
            (short.to_le_bytes().to_vec(), f32::from(short) / 32768.0)
        }
        2 => {
            let wide = value >> 8;
            (wide.to_le_bytes()[..3].to_vec(), wide as f32 / 8_388_608.0)
        }
        3 => (value.to_le_bytes().to_vec(), float),
        4 => (float.to_le_bytes().to_vec(), float),
        _ => (f64::from(float).to_le_bytes().to_vec(), float),
    }
}

const KINDS: [(u16, u16); 6] = [
    (PCM, 8),
    (PCM, 16),
    (PCM, 24),
    (PCM, 32),
    (FLOAT, 32),
    (FLOAT, 64),
];

proptest! {
    #[test]
    fn write_read_is_lossless_in_every_format(
        kind in 0..KINDS.len(),
        channels in 1..5_u16,
        rate in MIN_RATE..=192_000,
        is_extensible: bool,
        values in prop::collection::vec(any::<i32>(), 4..400),
    ) {
        let (tag, bits) = KINDS[kind];
        let header = match is_extensible {
            true => extensible(tag, channels, rate, bits, bits),
            false => format(tag, channels, rate, bits),
        };
        let whole = values.len() - values.len() % usize::from(channels);
        let encoded: Vec<(Vec<u8>, f32)> = values[..whole].iter().map(|&v| encode(kind, v)).collect();
        let data: Vec<u8> = encoded.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let decoded = decode(&riff(&[header, chunk(b"data", &data)])).unwrap();
        prop_assert_eq!(decoded.waveform.sample_rate, rate);
        let expected: Vec<f32> = encoded
            .chunks(channels.into())
            .map(|frame| {
                let sum: f64 = frame.iter().map(|(_, value)| f64::from(*value)).sum();
                (sum / f64::from(channels)) as f32
            })
            .collect();
        prop_assert_eq!(decoded.waveform.samples, expected);
    }

    #[test]
    fn a_wav_cut_anywhere_is_an_error_that_names_it_and_never_a_panic(
        kind in 0..KINDS.len(),
        values in prop::collection::vec(any::<i32>(), 1..40),
        cut in 0.0..1.0_f64,
    ) {
        let (tag, bits) = KINDS[kind];
        let data: Vec<u8> = values.iter().flat_map(|&v| encode(kind, v).0).collect();
        let list = padded(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0");
        let file = riff(&[format(tag, 1, 16000, bits), list, chunk(b"data", &data)]);
        let cut = (cut * file.len() as f64) as usize;
        let message = decode(&file[..cut]).unwrap_err().to_string();
        prop_assert!(message.contains("test.wav") && !message.contains('\n'), "{}", message);
    }

    #[test]
    fn bytes_changed_at_random_never_panic(
        mut changes in prop::collection::vec((0..90_usize, any::<u8>()), 1..6),
    ) {
        let list = padded(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0");
        let mut file = riff(&[extensible(PCM, 1, 16000, 16, 16), list, chunk(b"data", &shorts(&FOUR))]);
        for (at, byte) in changes.drain(..) {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        let _ = decode(&file);
    }

    #[test]
    fn resampling_gives_the_same_in_blocks_of_any_size(
        sizes in prop::collection::vec(1..5000_usize, 1..12),
        (from, to) in prop::sample::select(vec![(44100, 16000), (8000, 16000), (16000, 8000)]),
    ) {
        let total: usize = sizes.iter().sum();
        let samples: Vec<f32> = (0..total).map(|i| (i as f32 * 0.37).sin()).collect();
        let whole = resample(&Waveform { samples: samples.clone(), sample_rate: from }, to).unwrap();
        let mut resampler = super::resample::Resampler::new("test", from, to).unwrap();
        let mut blocks = Vec::new();
        let mut rest = samples.as_slice();
        for size in sizes {
            let (block, tail) = rest.split_at(size);
            blocks.extend(resampler.push(block).unwrap());
            rest = tail;
        }
        blocks.extend(resampler.finish().unwrap());
        prop_assert_eq!(blocks, whole.samples);
    }
}

#[test]
fn a_written_recording_is_read_back_within_half_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ramp.wav");
    let waveform = Waveform {
        samples: (0..1000).map(|i| (i as f32 - 500.0) / 500.0).collect(),
        sample_rate: 8000,
    };
    write_wav(&path, &waveform).unwrap();
    let decoded = read(&path).unwrap();
    assert_eq!(decoded.notices, []);
    assert_eq!(decoded.waveform.sample_rate, 8000);
    assert_eq!(decoded.waveform.samples.len(), 1000);
    for (read, written) in decoded.waveform.samples.iter().zip(&waveform.samples) {
        assert!(
            (read - written).abs() <= 0.5 / 32768.0 + 1e-7,
            "{read} {written}"
        );
    }
    assert_eq!(duration(&path).unwrap(), 0.125);
}

#[test]
fn blocks_joined_are_the_whole_recording_resampled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    let samples = (0..200_001)
        .map(|i| (i as f32 * 0.01).sin() * 0.5)
        .collect();
    let waveform = Waveform {
        samples,
        sample_rate: 44100,
    };
    write_wav(&path, &waveform).unwrap();
    let whole = read_at(&path, 16000).unwrap();
    assert_eq!(
        whole.notices,
        [Notice::Resampled {
            from: 44100,
            to: 16000
        }]
    );
    assert_eq!(whole.waveform.samples.len(), 72563); // round(200001 · 16000 / 44100)
    let once = resample(&read(&path).unwrap().waveform, 16000).unwrap();
    assert_eq!(whole.waveform, once);
}
