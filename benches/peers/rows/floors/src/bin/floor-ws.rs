//! The least that an echo of whole messages can do over epoll: unmask, validate text, copy once. It has no
//! limits, no fragments, no pings, and no rule is checked: a reference, not a server.

use harness::{Echo, Failure, Options, response};
use row_floors::{Peer, serve};
use sansocket::Opcode;
use sansocket::frame::{Header, mask};
use std::net::TcpListener;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "floor-ws";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        serve::<Frames>(listener)
    }
}

/// A frame that is not all there gets storage of its own from this many bytes on.
const LARGE: usize = 64 << 10;

#[derive(Default)]
struct Frames {
    is_open: bool,
    /// The beginning of a small frame.
    begun: Vec<u8>,
    large: Option<Large>,
    /// Storage for the next large one.
    spare: Vec<u8>,
}

/// A frame that is unmasked where it is read, behind the header of the answer.
struct Large {
    frame: Vec<u8>,
    opcode: Opcode,
    key: [u8; 4],
    begin: usize,
    end: usize,
}

impl Peer for Frames {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        if !self.is_open {
            out.extend(response(bytes, None).ok_or("no key")?.bytes());
            self.is_open = true;
            return Ok(());
        }
        if self.begun.is_empty() {
            let rest = self.echo(bytes, out)?;
            self.begun.extend_from_slice(rest);
        } else {
            let mut begun = std::mem::take(&mut self.begun);
            begun.extend_from_slice(bytes);
            let rest = self.echo(&begun, out)?.len();
            begun.drain(..begun.len() - rest);
            self.begun = begun;
        }
        Ok(())
    }

    fn storage(&mut self) -> Option<&mut [u8]> {
        self.large.as_mut().map(|large| &mut large.frame[large.end..])
    }

    fn filled(&mut self, n: usize) -> Result<Option<Vec<u8>>, Failure> {
        let Some(large) = &mut self.large else { return Ok(None) };
        let come = large.end..large.end + n;
        mask::apply(&mut large.frame[come.clone()], mask::rotate(large.key, large.end - large.begin));
        large.end = come.end;
        if large.end < large.frame.len() {
            return Ok(None);
        }
        validate(large.opcode, &large.frame[large.begin..])?;
        Ok(self.large.take().map(|large| large.frame))
    }

    fn give_back(&mut self, storage: Vec<u8>) {
        self.spare = storage;
    }
}

impl Frames {
    /// Answers the whole frames, and returns the rest.
    fn echo<'a>(&mut self, mut bytes: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Failure> {
        while let Some((header, length)) = Header::decode(bytes)? {
            let (key, size) = (header.mask.ok_or("no mask")?, usize::try_from(header.payload_len)?);
            let answer = Header { mask: None, ..header };
            let payload = &bytes[length..];
            let Some(whole) = payload.get(..size) else {
                if size < LARGE {
                    break;
                }
                self.begin(answer, size, key, payload);
                return Ok(&[]);
            };
            answer.encode(out);
            let at = out.len();
            out.extend_from_slice(whole);
            mask::apply(&mut out[at..], key);
            validate(header.opcode, &out[at..])?;
            bytes = &payload[size..];
        }
        Ok(bytes)
    }

    fn begin(&mut self, answer: Header, size: usize, key: [u8; 4], payload: &[u8]) {
        let mut header = Vec::with_capacity(Header::MAX_LEN);
        answer.encode(&mut header);
        let (begin, end) = (header.len(), header.len() + payload.len());
        let mut frame = std::mem::take(&mut self.spare);
        frame.resize(begin + size, 0);
        frame[..begin].copy_from_slice(&header);
        mask::copy(payload, &mut frame[begin..end], key);
        self.large = Some(Large { frame, opcode: answer.opcode, key, begin, end });
    }
}

fn validate(opcode: Opcode, payload: &[u8]) -> Result<(), Failure> {
    if opcode == Opcode::Text {
        simdutf8::basic::from_utf8(payload)?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    harness::echo::<Row>()
}
