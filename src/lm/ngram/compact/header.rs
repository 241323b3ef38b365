//! What stands before a compact model's data: lengths, widths and checksums, all checked before
//! anything else is believed.

/// The first bytes of every compact model.
pub const MAGIC: &[u8; 8] = b"HEARKNLM";

/// The version of the format.
pub const FORMAT: u64 = 2;

/// The most orders that a state has room for.
pub const MOST_ORDERS: usize = 10;

/// Where things stand and how wide they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Words of the longest n-grams.
    pub order: usize,
    /// Words of the vocabulary.
    pub words: usize,
    /// Bytes of the words, each followed by a line break, deflated.
    pub vocabulary_bytes: usize,
    /// Bits of a probability.
    pub prob_bits: u32,
    /// Bits of a back-off weight.
    pub backoff_bits: u32,
    /// Of each order, from 1.
    pub levels: Vec<Outline>,
    /// Values in the probability tables, all orders together; 0 if the values are plain.
    pub probs: usize,
    /// Values in the back-off tables.
    pub backoffs: usize,
    /// Bytes of the levels, their margin included.
    pub level_bytes: usize,
    /// CRC-32 of all that follows the header.
    pub checksum: u32,
}

/// How much there is of an order, and where among the bytes of the levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// n-grams.
    pub ngrams: usize,
    /// Those that are contexts.
    pub contexts: usize,
    /// Where the words begin, as ranks among the continuations of the shorter context. Not used for
    /// single words.
    pub words: usize,
    /// Where the probabilities begin.
    pub probs: usize,
    /// Where the marks of the contexts among the n-grams begin. This and what follows is not used at
    /// the highest order.
    pub marks: usize,
    /// Where the bounds of the contexts' continuations in the next order begin.
    pub bounds: usize,
    /// Where the contexts' back-off weights begin.
    pub backoffs: usize,
}

impl Outline {
    fn fields(&mut self) -> [&mut usize; 7] {
        [
            &mut self.ngrams,
            &mut self.contexts,
            &mut self.words,
            &mut self.probs,
            &mut self.marks,
            &mut self.bounds,
            &mut self.backoffs,
        ]
    }
}

impl Header {
    /// Bytes that follow the header.
    pub fn body(&self) -> Option<usize> {
        let tables = self.probs.checked_add(self.backoffs)?.checked_mul(4)?;
        tables
            .checked_add(self.vocabulary_bytes)?
            .checked_add(self.level_bytes)
    }

    /// The header's bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut put = |number: u64| bytes.extend(number.to_le_bytes());
        put(FORMAT);
        put(self.order as u64);
        put(self.words as u64);
        put(self.vocabulary_bytes as u64);
        put(self.prob_bits.into());
        put(self.backoff_bits.into());
        for level in &self.levels {
            let mut level = *level;
            level.fields().iter().for_each(|field| put(**field as u64));
        }
        put(self.probs as u64);
        put(self.backoffs as u64);
        put(self.level_bytes as u64);
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
        if version != FORMAT {
            return Err(format!(
                "it has format {version} and this program reads format {FORMAT}; train it again, or convert it again from its ARPA file"
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
            prob_bits: take()? as u32,
            backoff_bits: take()? as u32,
            levels: (0..order)
                .map(|_| {
                    let mut level = Outline::default();
                    for field in level.fields() {
                        *field = take()? as usize;
                    }
                    Ok(level)
                })
                .collect::<Result<_, String>>()?,
            probs: take()? as usize,
            backoffs: take()? as usize,
            level_bytes: take()? as usize,
            checksum: take()? as u32,
        };
        let own = take()?;
        let end = at;
        let table = |bits: u32, orders: usize| {
            1usize
                .checked_shl(bits)
                .and_then(|size| size.checked_mul(orders))
        };
        let tables = [
            (header.prob_bits, header.probs, order),
            (header.backoff_bits, header.backoffs, order - 1),
        ];
        let sound = own == u64::from(checksum(&bytes[..end - 8]))
            && tables.iter().all(|&(bits, values, orders)| {
                bits <= 32 && (values == 0 || table(bits, orders) == Some(values))
            });
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
