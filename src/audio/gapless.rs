//! What an MP3 encoder adds to a recording, taken out again: its delay at the start, its padding at the end.
//!
//! LAME's tag in the first frame tells both, and how many frames follow. symphonia would cut after that many
//! whatever follows, and lose the second half of two files joined end to end; here the padding goes only if
//! the stream ends where the tag says.

/// The trimming of one stream of mono samples.
pub(super) struct Gapless {
    /// Samples of the delay that are still to come.
    delay: usize,
    padding: usize,
    /// Samples that the tag counts, delay and padding included.
    counted: Option<u64>,
    received: u64,
    /// The latest samples: padding, if the stream ends here.
    held: Vec<f32>,
}

impl Gapless {
    /// Delay and padding in samples, and the samples between them where they are counted; 0, 0 and none take
    /// nothing out.
    pub(super) fn new(delay: usize, padding: usize, counted: Option<u64>) -> Self {
        Self {
            delay,
            padding,
            counted: counted.map(|counted| counted + (delay + padding) as u64),
            received: 0,
            held: Vec::new(),
        }
    }

    /// Takes the next samples and gives those that are certainly of the recording.
    pub(super) fn push(&mut self, mut samples: Vec<f32>) -> Vec<f32> {
        self.received += samples.len() as u64;
        let delay = self.delay.min(samples.len());
        self.delay -= delay;
        samples.drain(..delay);
        if self.padding == 0 {
            return samples;
        }
        self.held.append(&mut samples);
        let certain = self.held.len().saturating_sub(self.padding);
        let rest = self.held.split_off(certain);
        std::mem::replace(&mut self.held, rest)
    }

    /// What is left at the end: nothing where the stream ends as counted.
    pub(super) fn finish(&mut self) -> Vec<f32> {
        match self.counted {
            Some(counted) if self.received > counted => std::mem::take(&mut self.held),
            _ => Vec::new(),
        }
    }

    /// How many samples are missing from those that are counted.
    pub(super) fn missing(&self) -> u64 {
        self.counted
            .map_or(0, |counted| counted.saturating_sub(self.received))
    }
}
