//! What a peer sends, framed beforehand, and a read of it.

use crate::text;
use bytes::BufMut;
use sansocket::{Agreement, Config, Connection, Role};
use std::fmt;

/// At least so many bytes are framed, so that a read rarely ends at the end of them.
const FRAMED: usize = 256 << 10;

/// What a message holds.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    Binary,
    Ascii,
    Cjk,
}

impl Content {
    pub(crate) const ALL: [Self; 3] = [Self::Binary, Self::Ascii, Self::Cjk];

    /// Exactly `size` bytes of it.
    pub(crate) fn payload(self, size: usize) -> Vec<u8> {
        match self {
            Self::Binary => (0..=250).cycle().take(size).collect(),
            Self::Ascii => text::of(text::ASCII, size).into_bytes(),
            Self::Cjk => text::of(text::CJK, size).into_bytes(),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "binary",
            Self::Ascii => "ASCII",
            Self::Cjk => "CJK",
        })
    }
}

/// The same frames over and over, as a socket would deliver them.
pub(crate) struct Wire {
    frames: Vec<u8>,
    frame_len: usize,
    next: usize,
}

impl Wire {
    pub(crate) fn new(sender: Role, content: Content, size: usize) -> Self {
        let mut connection = Connection::with_seed(sender, Config::new(), Agreement::new(), [7; 32]);
        let payload = content.payload(size);
        let mut frames = Vec::new();
        let mut frame_len = 0;
        while frames.len() < FRAMED {
            match content {
                Content::Binary => connection.send(&payload),
                Content::Ascii | Content::Cjk => connection.send(str::from_utf8(&payload).unwrap()),
            }
            .unwrap();
            frame_len = connection.buffered_amount();
            frames.put(connection.output());
        }
        Self { frames, frame_len, next: 0 }
    }

    pub(crate) fn frame_len(&self) -> usize {
        self.frame_len
    }

    /// Copies what fits, and says how much that was.
    #[inline(never)]
    pub(crate) fn read(&mut self, room: &mut [u8]) -> usize {
        let rest = &self.frames[self.next..];
        let n = rest.len().min(room.len());
        room[..n].copy_from_slice(&rest[..n]);
        self.next = if n == rest.len() { 0 } else { self.next + n };
        n
    }
}
