//! What goes over one direction of the network, taken apart as it is written.

use super::model::is_keepalive_ping;
use super::terms::Terms;
use sansocket::{ProtocolError, Role};
use std::collections::VecDeque;

/// Looks at each byte that an end writes: whether it may be written there at all, and what the reader has to make of
/// it.
#[derive(Debug)]
pub(super) struct Wire {
    writer: Terms,
    reader: Terms,
    /// How many bytes have been written in all.
    pub(super) offset: u64,
    frame: Frame,
    /// How many frames the unfinished message has.
    fragments: Option<u32>,
    /// The Close frame was written, or a part of it.
    pub(super) closes: bool,
    /// Messages, and the control frames between them, until the reader has read them.
    units: VecDeque<Unit>,
    /// Pings, each with where it ends.
    pub(super) pings: Vec<(Vec<u8>, u64)>,
    /// The same of pongs.
    pub(super) pongs: Vec<(Vec<u8>, u64)>,
    /// The first frame that the reader's limits forbid, by where its header ends.
    pub(super) offence: Option<(u64, ProtocolError)>,
}

/// A frame that is being written.
#[derive(Debug)]
enum Frame {
    Header(Vec<u8>),
    Payload { first: u8, left: u64, key: Option<[u8; 4]>, control: Vec<u8> },
}

/// A message with all that stands between its frames, or a control frame outside of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
    pub(super) is_data: bool,
}

impl Wire {
    pub(super) fn new(writer: Terms, reader: Terms) -> Self {
        Self {
            writer,
            reader,
            offset: 0,
            frame: Frame::Header(Vec::new()),
            fragments: None,
            closes: false,
            units: VecDeque::new(),
            pings: Vec::new(),
            pongs: Vec::new(),
            offence: None,
        }
    }

    /// Whether a frame may begin here.
    pub(super) fn is_between_frames(&self) -> bool {
        matches!(&self.frame, Frame::Header(header) if header.is_empty()) && !self.closes
    }

    /// Whether a message may begin here.
    pub(super) fn is_between_messages(&self) -> bool {
        self.is_between_frames() && self.fragments.is_none()
    }

    /// The next bytes that are written.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match &mut self.frame {
                Frame::Header(header) => {
                    if header.is_empty() {
                        assert!(!self.closes, "{:?} wrote behind its Close frame", self.writer.role);
                        self.closes = byte == 0x88;
                        if self.fragments.is_none() {
                            let is_data = byte & 0x08 == 0;
                            self.units.push_back(Unit { start: self.offset, end: None, is_data });
                        }
                    }
                    header.push(byte);
                    self.offset += 1;
                    bytes = rest;
                    if let Some((left, key)) = header_of(header) {
                        let first = header[0];
                        self.begin(first, left, key.is_some());
                        self.frame = Frame::Payload { first, left, key, control: Vec::new() };
                        self.end_if_whole();
                    }
                }
                Frame::Payload { first, left, control, .. } => {
                    let n = usize::try_from(*left).unwrap().min(bytes.len());
                    if *first & 0x08 != 0 {
                        control.extend_from_slice(&bytes[..n]);
                    }
                    *left -= n as u64;
                    self.offset += n as u64;
                    bytes = &bytes[n..];
                    self.end_if_whole();
                }
            }
        }
    }

    /// Holds a header against §5.2, §5.4, §5.5 and RFC 7692 §6, and against the reader's limits.
    fn begin(&mut self, first: u8, len: u64, is_masked: bool) {
        let role = self.writer.role;
        let (fin, rsv, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0F);
        assert_eq!(is_masked, role == Role::Client, "{role:?} masks");
        assert!(matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10), "{role:?} wrote the opcode {opcode}");
        if opcode >= 8 {
            assert!(fin && rsv == 0 && len <= 125, "{role:?} wrote the control frame {first:x}, {len}");
            return;
        }
        let may_be_marked = self.writer.is_deflated && opcode != 0;
        assert!(rsv == 0 || (rsv == 0x40 && may_be_marked), "{role:?} set the reserved bits {rsv:x}");
        assert_eq!(opcode == 0, self.fragments.is_some(), "{role:?} wrote fragments in disorder");
        let fragments = self.fragments.unwrap_or(0) + u32::from(!fin);
        self.fragments = Some(fragments);
        let refused = self.reader.refuses_text.is_some_and(|text| opcode == if text { 1 } else { 2 });
        let offence = match () {
            () if refused => ProtocolError::UnsupportedData,
            () if len > self.reader.max_frame => ProtocolError::FrameTooLarge,
            () if fragments > self.reader.max_fragments => ProtocolError::TooManyFragments,
            () => return,
        };
        self.offence.get_or_insert((self.offset, offence));
    }

    fn end_if_whole(&mut self) {
        let Frame::Payload { first, left: 0, key, control } = &mut self.frame else { return };
        let key = key.unwrap_or_default();
        let payload = control.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]).collect();
        match *first & 0x0F {
            9 => self.pings.push((payload, self.offset)),
            10 => self.pongs.push((payload, self.offset)),
            0..=7 if *first & 0x80 != 0 => self.fragments = None,
            _ => {}
        }
        if self.fragments.is_none()
            && let Some(unit) = self.units.back_mut()
        {
            unit.end = Some(self.offset);
        }
        self.frame = Frame::Header(Vec::new());
    }

    /// The pings from the `n`-th of the keepalive's on, counted from 1; none if it has not wholly been written.
    pub(super) fn pings_since(&self, n: usize) -> impl Iterator<Item = &[u8]> {
        let mut keepalive = 0;
        self.pings.iter().map(|(ping, _)| &ping[..]).skip_while(move |ping| {
            keepalive += usize::from(is_keepalive_ping(ping));
            keepalive < n
        })
    }

    /// Whether bytes of a message lie between these.
    pub(super) fn has_data_between(&self, from: u64, to: u64) -> bool {
        let overlaps = |unit: &Unit| unit.start < to && unit.end.is_none_or(|end| end > from);
        self.units.iter().any(|unit| unit.is_data && overlaps(unit))
    }

    /// The unit of which the reader, who has come so far, has a part; forgets those that it has read.
    pub(super) fn read_in_part(&mut self, read: u64) -> Option<Unit> {
        while self.units.front().is_some_and(|unit| unit.end.is_some_and(|end| end <= read)) {
            self.units.pop_front();
        }
        self.units.front().copied().filter(|unit| unit.start < read)
    }
}

/// How long the payload is, and the key; `None` while a part of the header is missing.
fn header_of(header: &[u8]) -> Option<(u64, Option<[u8; 4]>)> {
    let (&second, rest) = header.get(1..)?.split_first()?;
    let extended = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let (length, rest) = rest.split_at_checked(extended)?;
    let len = match extended {
        0 => u64::from(second & 0x7F),
        _ => length.iter().fold(0, |len, &octet| len << 8 | u64::from(octet)),
    };
    let shortest = match len {
        0..126 => 0,
        126..0x1_0000 => 2,
        _ => 8,
    };
    assert_eq!(extended, shortest, "a length is not in its shortest form");
    match second & 0x80 {
        0 => Some((len, None)),
        _ => Some((len, Some(*rest.first_chunk()?))),
    }
}
