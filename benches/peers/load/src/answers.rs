use harness::Failure;
use sansocket::Opcode;
use sansocket::frame::Header;

/// Counts the messages in what a server sends, and looks at headers alone.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The beginning of a header.
    begun: Vec<u8>,
    /// Bytes of the payload under way that are still to come.
    payload: usize,
    /// With it a message ends.
    ends_message: bool,
    /// Bytes of payload of all data frames.
    pub(crate) bytes: u64,
}

impl Answers {
    /// How many messages end in these bytes.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Result<usize, Failure> {
        let mut messages = 0;
        loop {
            let come = self.payload.min(bytes.len());
            messages += self.skip(come);
            bytes = &bytes[come..];
            if bytes.is_empty() {
                return Ok(messages);
            }
            let begun = self.begun.len();
            let header = if begun == 0 {
                Header::decode(bytes)?
            } else {
                self.begun.extend_from_slice(&bytes[..bytes.len().min(Header::MAX_LEN)]);
                Header::decode(&self.begun)?
            };
            let Some((header, length)) = header else {
                if begun == 0 {
                    self.begun.extend_from_slice(bytes);
                }
                return Ok(messages);
            };
            bytes = &bytes[length - begun..];
            self.begun.clear();
            messages += self.begin(&header)?;
        }
    }

    fn begin(&mut self, header: &Header) -> Result<usize, Failure> {
        if header.opcode == Opcode::Close {
            return Err("the server has sent a Close frame".into());
        }
        let is_data = !header.opcode.is_control();
        self.payload = usize::try_from(header.payload_len)?;
        self.ends_message = is_data && header.fin;
        if is_data {
            self.bytes += header.payload_len;
        }
        Ok(usize::from(self.payload == 0 && self.ends_message))
    }

    /// Bytes of payload that are certain to come next, and of no interest.
    pub(crate) fn skippable(&self) -> usize {
        self.payload
    }

    /// So many of them have come: how many messages end with them, one or none.
    pub(crate) fn skip(&mut self, come: usize) -> usize {
        self.payload -= come;
        usize::from(come > 0 && self.payload == 0 && self.ends_message)
    }
}

#[cfg(test)]
mod tests {
    use super::Answers;

    #[test]
    fn messages_are_counted_however_they_arrive() {
        let long = [&[0x82, 126, 1, 0][..], &[7; 256]].concat();
        let wire = [b"\x81\x02hi\x89\x00\x01\x01a\x80\x01b\x82\x00", &long[..]].concat();
        for size in 1..wire.len() {
            let mut answers = Answers::default();
            let messages: usize =
                wire.chunks(size).map(|bytes| answers.read(bytes).expect("valid frames")).sum();
            assert_eq!((messages, answers.bytes), (4, 260), "{size} bytes at a time");
        }
    }
}
