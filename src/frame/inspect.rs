//! A log of frames for a person to read.
//!
//! [`Inspector`] follows the bytes of one direction, however they are cut, and describes each frame:
//!
//! ```
//! use sansocket::frame::inspect::Inspector;
//!
//! let mut from_client = Inspector::new();
//! let wire = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x88\x82\x00\x00\x00\x00\x03\xe8";
//! let log: Vec<String> = from_client.inspect(wire).iter().map(ToString::to_string).collect();
//! assert_eq!(log, [
//!     r#"Text, 5 bytes, masked 37fa213d: "Hello""#,
//!     "Close, 2 bytes, masked 00000000: 1000 normal",
//! ]);
//! ```
//!
//! It shows the beginning of what is sent, so it is for development: a log that is kept should not have
//! it.

use super::{CloseFrame, Header, Opcode};
use crate::error::ProtocolError;
use std::fmt;

/// Follows one direction of a connection, after the opening handshake.
///
/// It holds a header and the first [`PREVIEW`](Self::PREVIEW) bytes of a payload, and passes over the
/// rest.
#[derive(Clone, Debug, Default)]
pub struct Inspector {
    /// What has come of a header that is not complete.
    header: Vec<u8>,
    /// The frame whose payload comes, and how many bytes of it are still to come.
    frame: Option<(Inspected, u64)>,
    failed: bool,
}

/// One frame as it was seen on the wire; [`Display`](fmt::Display) describes it in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// A frame that is there in full.
    Frame {
        /// What stands before the payload.
        header: Header,
        /// The first bytes of the payload, unmasked.
        preview: Vec<u8>,
    },
    /// Something that is no frame; what follows cannot be read.
    Invalid(ProtocolError),
}

impl Inspector {
    /// The most bytes of a payload that are kept: all of a control frame.
    pub const PREVIEW: usize = 125;
    /// The most bytes of a payload that are printed, but for a Close frame.
    const PRINTED: usize = 48;

    /// Nothing was seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, and returns the frames that end in them.
    pub fn inspect(&mut self, mut bytes: &[u8]) -> Vec<Inspected> {
        let mut seen = Vec::new();
        while !self.failed {
            let Some((frame, remaining)) = &mut self.frame else {
                match self.begin(&mut bytes) {
                    Ok(true) => continue,
                    Ok(false) => break,
                    Err(error) => {
                        self.failed = true;
                        seen.push(Inspected::Invalid(error));
                        break;
                    }
                }
            };
            let now = usize::try_from(*remaining).unwrap_or(usize::MAX).min(bytes.len());
            let (payload, rest) = bytes.split_at(now);
            frame.extend(payload);
            *remaining -= now as u64;
            bytes = rest;
            if *remaining > 0 {
                break;
            }
            seen.extend(self.frame.take().map(|(frame, _)| frame));
        }
        seen
    }

    /// Reads on in a header; whether it is complete.
    fn begin(&mut self, bytes: &mut &[u8]) -> Result<bool, ProtocolError> {
        while let Some((&byte, rest)) = bytes.split_first() {
            *bytes = rest;
            self.header.push(byte);
            if let Some((header, _)) = Header::decode(&self.header)? {
                self.header.clear();
                self.frame = Some((Inspected::Frame { header, preview: Vec::new() }, header.payload_len));
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Inspected {
    fn extend(&mut self, payload: &[u8]) {
        if let Self::Frame { header, preview } = self {
            let key = header.mask.unwrap_or_default();
            let room = Inspector::PREVIEW - preview.len();
            let key = key.into_iter().cycle().skip(preview.len() % 4);
            preview.extend(payload.iter().take(room).zip(key).map(|(byte, key)| byte ^ key));
        }
    }
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (header, preview) = match self {
            Self::Invalid(error) => return write!(f, "no frame: {error}"),
            Self::Frame { header, preview } => (header, preview),
        };
        write!(f, "{:?}", header.opcode)?;
        if !header.fin {
            f.write_str(" (to be continued)")?;
        }
        for (bit, name) in [(Header::RSV1, "RSV1"), (Header::RSV2, "RSV2"), (Header::RSV3, "RSV3")] {
            if header.rsv & bit != 0 {
                write!(f, ", {name}")?;
            }
        }
        write!(f, ", {} byte{}", header.payload_len, if header.payload_len == 1 { "" } else { "s" })?;
        if let Some([a, b, c, d]) = header.mask {
            write!(f, ", masked {a:02x}{b:02x}{c:02x}{d:02x}")?;
        }
        if header.opcode == Opcode::Close {
            return match CloseFrame::decode(preview) {
                Ok(None) => Ok(()),
                Ok(Some(frame)) => write!(f, ": {frame}"),
                Err(error) => write!(f, ": {error}"),
            };
        }
        let printed = preview.get(..Inspector::PRINTED).unwrap_or(preview);
        let more = |printed: usize| if printed as u64 == header.payload_len { "" } else { "..." };
        match text(printed) {
            _ if printed.is_empty() => Ok(()),
            Some(text) if header.opcode != Opcode::Binary => write!(f, ": {text:?}{}", more(text.len())),
            _ => {
                f.write_str(": ")?;
                printed.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str(more(printed.len()))
            }
        }
    }
}

/// The bytes as text, but for a character that is cut off at the end.
fn text(bytes: &[u8]) -> Option<&str> {
    match str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => str::from_utf8(bytes.get(..error.valid_up_to())?).ok(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(wire: &[u8], step: usize) -> Vec<String> {
        let mut inspector = Inspector::new();
        let frames = wire.chunks(step).flat_map(|piece| inspector.inspect(piece)).collect::<Vec<_>>();
        frames.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn frames_are_described_however_they_are_cut() {
        let wire = [
            &b"\x01\x03Hel\x89\x00\x80\x02lo"[..],
            b"\xC2\x82\x01\x02\x03\x04\x01\x02",
            b"\x82\x7E\x01\x00",
            &[0xAB; 256],
            b"\x88\x05\x0F\xA0bye\x88\x00",
        ]
        .concat();
        for step in [1, 2, 3, 50, wire.len()] {
            let hex = "ab".repeat(48);
            assert_eq!(
                log(&wire, step),
                [
                    r#"Text (to be continued), 3 bytes: "Hel""#,
                    "Ping, 0 bytes",
                    r#"Continuation, 2 bytes: "lo""#,
                    "Binary, RSV1, 2 bytes, masked 01020304: 0000",
                    &format!("Binary, 256 bytes: {hex}..."),
                    "Close, 5 bytes: 4000 (bye)",
                    "Close, 0 bytes",
                ]
            );
        }
    }

    #[test]
    fn what_is_no_frame_is_said_once() {
        assert_eq!(log(b"\x83\x00\x81\x00", 1), ["no frame: the opcode 0x3 is reserved"]);
    }

    #[test]
    fn a_character_that_is_cut_off_does_not_hide_a_text() {
        assert_eq!(log(b"\x01\x02a\xC3", 4), [r#"Text (to be continued), 2 bytes: "a"..."#]);
    }

    #[test]
    fn no_more_is_kept_than_the_preview() {
        let mut inspector = Inspector::new();
        let mut seen = inspector.inspect(b"\x82\xFE\x01\x2C\x01\x02\x03\x04");
        for _ in 0..100 {
            seen.extend(inspector.inspect(&[0; 3]));
        }
        let Some(Inspected::Frame { preview, .. }) = seen.pop() else { panic!("no frame") };
        let expected: Vec<u8> = [1, 2, 3, 4].into_iter().cycle().take(Inspector::PREVIEW).collect();
        assert_eq!((preview, seen.len()), (expected, 0));
    }

    #[test]
    fn what_is_no_text_is_shown_as_bytes() {
        assert_eq!(log(b"\x81\x03a\xFFb", 5), ["Text, 3 bytes: 61ff62"]);
        assert_eq!(log(b"\x81\x02a\xC3", 4), [r#"Text, 2 bytes: "a"..."#]);
    }
}
