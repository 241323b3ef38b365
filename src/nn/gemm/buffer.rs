/// Working memory that starts on a cache line and keeps its room when it is resized.
#[derive(Default)]
pub(crate) struct Buffer<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

/// Bytes of a cache line, and of the widest register.
const LINE: usize = 64;

impl<T: Copy + Default> Buffer<T> {
    /// Elements that aligning the start may cost.
    const SLACK: usize = LINE / size_of::<T>();

    /// `len` zeros.
    pub(crate) fn new(len: usize) -> Self {
        let mut buffer = Self {
            data: Vec::new(),
            start: 0,
            len: 0,
        };
        buffer.resize(len);
        buffer
    }

    /// Makes the buffer `len` long. What it held is unspecified afterwards.
    pub(crate) fn resize(&mut self, len: usize) {
        if self.data.len() < len + Self::SLACK {
            // The old memory goes first: both at once would be a step's peak.
            self.data = Vec::new();
            self.data = vec![T::default(); len + Self::SLACK];
            self.start = self.data.as_ptr().align_offset(LINE).min(Self::SLACK);
        }
        self.len = len;
    }

    /// Elements that it can be resized to without asking for memory.
    pub(crate) fn room(&self) -> usize {
        self.data.len().saturating_sub(Self::SLACK)
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}
