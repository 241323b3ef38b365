//! Cutting a waveform into overlapping frames.
//!
//! Kaldi's two edge rules (`feat/feature-window.cc`, `NumFrames`, `FirstSampleOfFrame`,
//! `ExtractWindow`), exactly.

/// Frame geometry in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framing {
    /// Samples of a frame.
    pub length: usize,
    /// Samples from one frame's start to the next one's.
    pub shift: usize,
    /// `true`: only frames that lie wholly inside the waveform, the first starts at sample 0.
    /// `false`: one frame for each shift, rounded, its midpoint in the middle of that shift; samples
    /// outside the waveform are its reflection.
    pub snip_edges: bool,
}

impl Framing {
    /// Frames of a waveform of `samples` samples.
    pub fn frames(&self, samples: usize) -> usize {
        if self.snip_edges {
            match samples.checked_sub(self.length) {
                Some(room) => 1 + room / self.shift,
                None => 0,
            }
        } else {
            (samples + self.shift / 2) / self.shift
        }
    }

    /// The smallest number of samples that gives `frames` frames; `frames` is at least 1.
    pub fn samples_for(&self, frames: usize) -> usize {
        if self.snip_edges {
            self.length + (frames - 1) * self.shift
        } else {
            (frames * self.shift - self.shift / 2).max(1)
        }
    }

    /// First sample of frame `t`; negative before the waveform's start.
    fn start(&self, t: usize) -> i64 {
        let start = (t * self.shift) as i64;
        if self.snip_edges {
            start
        } else {
            start + (self.shift / 2) as i64 - (self.length / 2) as i64
        }
    }

    /// The samples of frame `t`: a slice of the waveform, or, at an edge, its reflection written to
    /// `scratch` (`length` samples).
    pub fn frame<'a>(&self, waveform: &'a [f32], t: usize, scratch: &'a mut [f32]) -> &'a [f32] {
        let start = self.start(t);
        let inside = usize::try_from(start)
            .ok()
            .and_then(|start| waveform.get(start..start + self.length));
        if let Some(frame) = inside {
            return frame;
        }
        for (i, sample) in scratch.iter_mut().enumerate() {
            *sample = waveform[reflect(start + i as i64, waveform.len())];
        }
        scratch
    }
}

/// Index into a waveform of `len ≥ 1` samples that is continued by its mirror image on both sides:
/// −1 → 0, −2 → 1, len → len − 1; as often as it takes.
fn reflect(index: i64, len: usize) -> usize {
    let period = 2 * len as i64;
    let folded = index.rem_euclid(period);
    folded.min(period - 1 - folded) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_more_needs_a_shift_more() {
        let framing = Framing {
            length: 400,
            shift: 160,
            snip_edges: true,
        };
        assert_eq!(framing.frames(399), 0);
        assert_eq!(framing.frames(400), 1);
        assert_eq!(framing.frames(559), 1);
        assert_eq!(framing.frames(560), 2);
    }

    #[test]
    fn without_snipping_the_frame_count_is_rounded() {
        let framing = Framing {
            length: 400,
            shift: 160,
            snip_edges: false,
        };
        assert_eq!(framing.frames(79), 0);
        assert_eq!(framing.frames(80), 1);
        assert_eq!(framing.frames(239), 1);
        assert_eq!(framing.frames(240), 2);
    }

    proptest! {
        #[test]
        fn samples_for_is_the_smallest_that_suffices(length in 1usize..500, shift in 1usize..300, snip_edges: bool, frames in 1usize..20) {
            let framing = Framing { length, shift, snip_edges };
            let samples = framing.samples_for(frames);
            prop_assert!(framing.frames(samples) >= frames);
            prop_assert!(samples == 1 || framing.frames(samples - 1) < frames);
        }

        #[test]
        fn reflection_bounces_between_the_ends(index in -5000i64..5000, len in 1usize..300) {
            // Kaldi's loop, word for word.
            let mut s = index;
            while s < 0 || s >= len as i64 {
                s = if s < 0 { -s - 1 } else { 2 * len as i64 - 1 - s };
            }
            prop_assert_eq!(reflect(index, len), s as usize);
        }
    }
}
