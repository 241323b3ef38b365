//! What stands before a compact model's data: lengths, widths and checksums, all checked before
//! anything else is believed.

/// The first bytes of every compact model.
pub const MAGIC: &[u8; 8] = b"HEARKNLM";

/// The version of the format.
const VERSION: u64 = 1;

/// The most orders a header has room for.
pub const MOST_ORDERS: usize = 64;

/// Where things stand and how wide they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Words of the longest n-grams.
    pub order: usize,
    /// Words of the vocabulary.
    pub words: usize,
    /// Bytes of the words, each followed by a line break.
    pub vocabulary_bytes: usize,
    /// Bits of a word in an arc.
    pub word_bits: u32,
    /// Bits of a state.
    pub state_bits: u32,
    /// Bits of a probability.
    pub prob_bits: u32,
    /// Bits of a back-off weight.
    pub backoff_bits: u32,
    /// The state of a sentence's beginning.
    pub start: u32,
    /// n-grams of each order.
    pub counts: Vec<u64>,
    /// By order from 0: where the states of so many words begin among the states' bytes.
    pub bounds: Vec<u32>,
    /// Values in the probability tables, all orders together; 0 if the values are plain.
    pub probs: usize,
    /// Values in the back-off tables.
    pub backoffs: usize,
    /// Bytes of the states, their margin included.
    pub state_bytes: usize,
    /// CRC-32 of all that follows the header.
    pub checksum: u32,
}

impl Header {
    /// Bytes that follow the header.
    pub fn body(&self) -> Option<usize> {
        let tables = self.probs.checked_add(self.backoffs)?.checked_mul(4)?;
        tables
            .checked_add(self.vocabulary_bytes)?
            .checked_add(self.state_bytes)
    }

    /// The header's bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut put = |number: u64| bytes.extend(number.to_le_bytes());
        put(VERSION);
        put(self.order as u64);
        put(self.words as u64);
        put(self.vocabulary_bytes as u64);
        for width in [
            self.word_bits,
            self.state_bits,
            self.prob_bits,
            self.backoff_bits,
        ] {
            put(width.into());
        }
        put(self.start.into());
        self.counts.iter().for_each(|&count| put(count));
        self.bounds.iter().for_each(|&bound| put(bound.into()));
        put(self.probs as u64);
        put(self.backoffs as u64);
        put(self.state_bytes as u64);
        put(self.checksum.into());
        let own = checksum(&bytes);
        bytes.extend(u64::from(own).to_le_bytes());
        bytes
    }

    /// Reads the header of a whole model, and says where the body begins. Fails with what is wrong
    /// and what to do about it.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), String> {
        let short = || {
            format!(
                "it is cut short after {} bytes; copy or convert it again",
                bytes.len()
            )
        };
        let damaged = || "its header is damaged; copy or convert it again".to_string();
        if !bytes.starts_with(MAGIC) {
            return Err("it is no compact model of hearken".to_string());
        }
        let mut at = MAGIC.len();
        let mut take = || {
            let number = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied();
            at += 8;
            number.map(u64::from_le_bytes).ok_or_else(short)
        };
        let version = take()?;
        if version != VERSION {
            return Err(format!(
                "it has format {version} and this program reads format {VERSION}; convert it again from its ARPA file"
            ));
        }
        let order = take()? as usize;
        if !(1..=MOST_ORDERS).contains(&order) {
            return Err(damaged());
        }
        let header = Self {
            order,
            words: take()? as usize,
            vocabulary_bytes: take()? as usize,
            word_bits: take()? as u32,
            state_bits: take()? as u32,
            prob_bits: take()? as u32,
            backoff_bits: take()? as u32,
            start: take()? as u32,
            counts: (0..order).map(|_| take()).collect::<Result<_, _>>()?,
            bounds: (0..order)
                .map(|_| Ok(take()? as u32))
                .collect::<Result<_, String>>()?,
            probs: take()? as usize,
            backoffs: take()? as usize,
            state_bytes: take()? as usize,
            checksum: take()? as u32,
        };
        let own = take()?;
        let end = at;
        let widths = [
            header.word_bits,
            header.state_bits,
            header.prob_bits,
            header.backoff_bits,
        ];
        let table = |bits: u32| {
            1usize
                .checked_shl(bits)
                .and_then(|size| size.checked_mul(order))
        };
        let tables = [
            (header.prob_bits, header.probs),
            (header.backoff_bits, header.backoffs),
        ];
        let sound = own == u64::from(checksum(&bytes[..end - 8]))
            && widths.iter().all(|&width| width <= 32)
            && tables
                .iter()
                .all(|&(bits, values)| values == 0 || table(bits) == Some(values));
        if !sound {
            return Err(damaged());
        }
        let expected = header
            .body()
            .and_then(|body| body.checked_add(end))
            .ok_or_else(damaged)?;
        match bytes.len() {
            length if length < expected => Err(format!(
                "it is cut short: {length} of {expected} bytes are there; copy or convert it again"
            )),
            length if length > expected => Err(format!(
                "{} bytes follow its end; copy or convert it again",
                length - expected
            )),
            _ if header.checksum != checksum(&bytes[end..]) => {
                Err("its checksum is not that of its data; copy or convert it again".to_string())
            }
            _ => Ok((header, end)),
        }
    }
}

/// CRC-32.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
