//! Recordings against what other programs make of them, and what a user meets at the door.

use std::io::Read;
use std::path::{Path, PathBuf};

use hearken::audio::{self, Blocks, Notice, Waveform};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/audio")
        .join(name)
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

#[test]
fn telephone_recordings_are_decoded_as_sox_decodes_them() {
    for name in ["mulaw", "alaw"] {
        let decoded = audio::read(&golden(&format!("{name}.wav"))).unwrap();
        let bytes = std::fs::read(golden(&format!("{name}.s16"))).unwrap();
        let sox: Vec<f32> = bytes
            .chunks_exact(2)
            .map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0)
            .collect();
        assert_eq!(sox.len(), 512);
        assert_eq!(decoded.waveform.samples, sox, "{name}");
        assert_eq!(decoded.waveform.sample_rate, 8000);
    }
}

/// The signal of `make.py`, in double precision.
fn tone_complex(rate: u32, samples: usize, nyquist: f64) -> Vec<f32> {
    use std::f64::consts::TAU;
    let sample = |i: usize| {
        let t = i as f64 / f64::from(rate);
        let window = if t < 0.06 {
            0.5 - 0.5 * (TAU * t / 0.06).cos()
        } else {
            0.0
        };
        let sum: f64 = (0..8)
            .map(|k| {
                let share = 0.05 + 0.8 * f64::from(k) / 7.0;
                0.1 * (TAU * share * nyquist * t + 0.7 * f64::from(k)).sin()
            })
            .sum();
        (window * sum) as f32
    };
    (0..samples).map(sample).collect()
}

/// The tolerance: -86 dB of full scale, below the rounding of 16 bits at the signal's level.
const RESAMPLING_TOLERANCE: f32 = 5e-5;

#[test]
fn resampling_agrees_with_scipy_in_band() {
    let pairs = [
        (44100, 16000),
        (48000, 16000),
        (22050, 16000),
        (11025, 16000),
        (8000, 16000),
        (16000, 8000),
    ];
    for (from, to) in pairs {
        let length = (0.07 * f64::from(from)).round() as usize;
        let waveform = Waveform {
            samples: tone_complex(from, length, f64::from(from.min(to)) / 2.0),
            sample_rate: from,
        };
        let resampled = audio::resample(&waveform, to).unwrap();
        let bytes = std::fs::read(golden(&format!("resample_{from}_{to}.f32"))).unwrap();
        let scipy: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        assert_eq!(resampled.samples.len(), scipy.len(), "{from} to {to}");
        let difference = |(a, b): (&f32, &f32)| (a - b).abs();
        let worst = resampled
            .samples
            .iter()
            .zip(&scipy)
            .map(difference)
            .fold(0.0, f32::max);
        assert!(worst < RESAMPLING_TOLERANCE, "{from} to {to}: {worst}");
    }
}

#[derive(serde::Deserialize)]
struct FfmpegDecoded {
    file: String,
    samples: usize,
    energy: f64,
    at: usize,
    slice: Vec<f32>,
}

#[test]
fn compressed_recordings_are_decoded_as_ffmpeg_decodes_them() {
    let text = std::fs::read_to_string(golden("decoded.json")).unwrap();
    let references: Vec<FfmpegDecoded> = serde_json::from_str(&text).unwrap();
    assert_eq!(references.len(), 4);
    for reference in references {
        let path = data(&reference.file);
        let decoded = audio::read(&path).unwrap();
        let samples = &decoded.waveform.samples;
        // The same count: the encoder's delay and padding are taken out.
        assert_eq!(samples.len(), reference.samples, "{}", reference.file);
        let energy: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
        assert!(
            (energy / reference.energy - 1.0).abs() < 1e-4,
            "{}",
            reference.file
        );
        for (ours, theirs) in samples[reference.at..].iter().zip(&reference.slice) {
            assert!(
                (ours - theirs).abs() < 1e-5,
                "{}: {ours} {theirs}",
                reference.file
            );
        }
        let seconds = samples.len() as f64 / f64::from(decoded.waveform.sample_rate);
        assert_eq!(
            audio::duration(&path).unwrap(),
            seconds,
            "{}",
            reference.file
        );
        assert_eq!(decoded.notices, []);
    }
}

#[test]
fn flac_is_lossless() {
    let flac = audio::read(&data("3_jackson_5.flac")).unwrap();
    let wav = audio::read(&data("fsdd/3_jackson_5.wav")).unwrap();
    assert_eq!(flac.waveform, wav.waveform);
}

#[test]
fn a_span_of_a_compressed_recording_is_a_slice_of_it() {
    for name in ["777-126732-0081.mp3", "000010168.ogg", "3_jackson_5.flac"] {
        let whole = audio::read(&data(name)).unwrap().waveform;
        let rate = f64::from(whole.sample_rate);
        let span = |start: f64, end| {
            let decoded = audio::read_span(&data(name), whole.sample_rate, start, end).unwrap();
            decoded.waveform.samples
        };
        let (first, last) = (1000, 3000);
        let (start, end) = (first as f64 / rate, last as f64 / rate);
        assert_eq!(span(start, Some(end)), whole.samples[first..last], "{name}");
        assert_eq!(span(start, None), whole.samples[first..], "{name}");
    }
}

#[test]
fn a_compressed_recording_cut_or_changed_anywhere_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["777-126732-0081.mp3", "000010168.ogg", "3_jackson_5.flac"] {
        let whole = std::fs::read(data(name)).unwrap();
        let declared = audio::read(&data(name)).unwrap().waveform.samples.len();
        let path = folder.path().join(name);
        let mut errors = 0;
        for part in 0..64 {
            let cut = whole.len() * part / 64;
            std::fs::write(&path, &whole[..cut]).unwrap();
            match audio::read(&path) {
                Ok(decoded) => assert!(decoded.waveform.samples.len() <= declared),
                Err(error) => {
                    let message = error.to_string();
                    assert!(
                        message.contains(name) && !message.contains('\n'),
                        "{message}"
                    );
                    errors += 1;
                }
            }
            let mut changed = whole.clone();
            let at = cut.min(changed.len() - 1);
            changed[at] ^= 0x55;
            std::fs::write(&path, &changed).unwrap();
            let _ = audio::read(&path);
        }
        assert_eq!(errors, 64, "{name}: every cut is noticed");
    }
}

#[test]
fn recordings_joined_end_to_end_are_read_to_the_last_sample() {
    let folder = tempfile::tempdir().unwrap();
    for (name, added) in [
        // The second file's delay and padding are in the middle of the recording: nobody tells.
        ("777-126732-0081.mp3", 0..4000),
        ("000010168.ogg", 0..1),
    ] {
        let bytes = std::fs::read(data(name)).unwrap();
        let once = audio::read(&data(name)).unwrap().waveform.samples;
        let path = folder.path().join(name);
        std::fs::write(&path, [bytes.clone(), bytes].concat()).unwrap();
        let twice = audio::read(&path).unwrap().waveform.samples;
        assert!(
            added.contains(&(twice.len() - 2 * once.len())),
            "{name}: {}",
            twice.len()
        );
        assert_eq!(twice[..once.len()], once, "{name}");
    }
}

#[test]
fn a_changed_sample_of_a_flac_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.flac");
    let mut bytes = std::fs::read(data("3_jackson_5.flac")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let message = audio::read(&path).unwrap_err().to_string();
    assert!(message.contains("damaged.flac"), "{message}");
}

/// A WAV of zeros of any length, made while it is read.
struct Silence {
    header: std::io::Cursor<Vec<u8>>,
    left: u64,
}

impl Read for Silence {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let header = self.header.read(buffer)?;
        if header > 0 {
            return Ok(header);
        }
        let length = (buffer.len() as u64).min(self.left) as usize;
        buffer[..length].fill(0);
        self.left -= length as u64;
        Ok(length)
    }
}

#[test]
fn three_hours_come_in_small_blocks() {
    let (rate, seconds) = (8000_u32, 3 * 3600);
    let bytes = rate * seconds * 2;
    let mut header = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    header.extend(rate.to_le_bytes());
    header.extend((rate * 2).to_le_bytes());
    header.extend(b"\x02\0\x10\0data");
    header.extend(bytes.to_le_bytes());
    let stream = Silence {
        header: std::io::Cursor::new(header),
        left: bytes.into(),
    };
    let mut blocks = Blocks::from_wav(stream, "three hours", 16000).unwrap();
    let mut total = 0;
    while let Some(block) = blocks.next_block().unwrap() {
        assert!(block.len() < 1 << 18, "{}", block.len());
        total += block.len();
    }
    assert_eq!(total, 16000 * seconds as usize);
    assert_eq!(
        blocks.notices(),
        [Notice::Resampled {
            from: 8000,
            to: 16000
        }]
    );
}

#[test]
fn a_full_disk_and_a_missing_folder_leave_nothing_half_written() {
    let waveform = Waveform {
        samples: vec![0.0; 100],
        sample_rate: 8000,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/folder/a.wav");
    let message = audio::write_wav(&path, &waveform).unwrap_err().to_string();
    assert!(message.contains("a.wav: cannot write it"), "{message}");
    // A folder in the place of the file: the rename fails, and the temporary file goes away with it.
    let path = folder.path().join("taken.wav");
    std::fs::create_dir_all(path.join("inside")).unwrap();
    assert!(audio::write_wav(&path, &waveform).is_err());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1);
}
