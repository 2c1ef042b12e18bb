use crate::arguments::{Arguments, Kind};
use flate2::{Compress, Compression, FlushCompress};
use harness::Failure;
use harness::wire::{self, Random};
use sansocket::Opcode;
use sansocket::frame::Header;

/// What a connection sends: bursts, the next when the last is answered.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) opcode: Opcode,
    /// What the bursts say, again and again.
    pub(crate) messages: Vec<Vec<u8>>,
    /// The bursts of the beginning, then those that repeat.
    first: Vec<Vec<u8>>,
    cycle: Vec<Vec<u8>>,
    /// Bytes of payload on the wire for each message.
    pub(crate) sent: f64,
}

/// How many messages of JSON there are. With 1 KiB each they are twice the window, so a message that comes again
/// refers to nothing that is not repeated with it.
const MESSAGES: u64 = 64;

impl Traffic {
    /// Of the arguments; compressed if that was agreed on, and with what takeover of the client's.
    pub(crate) fn new(arguments: &Arguments, takeover: Option<bool>) -> Result<Self, Failure> {
        let &Arguments { size, ahead, kind, .. } = arguments;
        let messages = match kind {
            Kind::Binary => vec![wire::noise(size)],
            Kind::Text => vec![wire::json(0, size).into_bytes()],
            Kind::Json => (0..MESSAGES).map(|number| wire::json(number, size).into_bytes()).collect(),
        };
        let opcode = if kind == Kind::Binary { Opcode::Binary } else { Opcode::Text };
        let mut traffic = Self { opcode, messages, first: Vec::new(), cycle: Vec::new(), sent: 0.0 };
        match takeover {
            Some(takeover) => traffic.compress(ahead, takeover)?,
            None => traffic.frame(ahead),
        }
        Ok(traffic)
    }

    /// The burst with this number.
    pub(crate) fn burst(&self, number: usize) -> &[u8] {
        match number.checked_sub(self.first.len()) {
            Some(number) => &self.cycle[number % self.cycle.len()],
            None => &self.first[number],
        }
    }

    /// Bursts until all has been said once as it is said from then on.
    pub(crate) fn bursts(&self) -> usize {
        self.first.len() + self.cycle.len()
    }

    fn frame(&mut self, ahead: usize) {
        let mut random = Random::new(5);
        let bytes: usize = self.messages.iter().map(Vec::len).sum();
        self.sent = bytes as f64 / self.messages.len() as f64;
        // One message alone fills each burst; several take turns.
        let count = self.messages.len().div_ceil(ahead) * ahead;
        let all: Vec<&Vec<u8>> = self.messages.iter().cycle().take(count).collect();
        for burst in all.chunks(ahead) {
            let mut bytes = Vec::new();
            burst.iter().for_each(|message| wire::frame(&mut bytes, self.opcode, 0, message, random.key()));
            self.cycle.push(bytes);
        }
    }

    fn compress(&mut self, ahead: usize, takeover: bool) -> Result<(), Failure> {
        if !self.messages.len().is_multiple_of(ahead) {
            return Err(format!("{ahead} do not divide the messages").into());
        }
        let mut compress = Compress::new(Compression::default(), false);
        let mut random = Random::new(6);
        for pass in [&mut self.first, &mut self.cycle] {
            let mut sent = 0;
            for burst in self.messages.chunks(ahead) {
                let mut bytes = Vec::new();
                for message in burst {
                    if !takeover {
                        compress.reset();
                    }
                    let mut deflated = Vec::with_capacity(2 * message.len() + 64);
                    compress.compress_vec(message, &mut deflated, FlushCompress::Sync)?;
                    // RFC 7692 §7.2.1: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end".
                    deflated.truncate(deflated.len() - 4);
                    sent += deflated.len();
                    wire::frame(&mut bytes, self.opcode, Header::RSV1, &deflated, random.key());
                }
                pass.push(bytes);
            }
            self.sent = sent as f64 / self.messages.len() as f64;
        }
        Ok(())
    }
}
