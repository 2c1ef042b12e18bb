/// What a frame is: the four-bit opcode of [RFC 6455 §5.2] that this crate understands.
///
/// The other ten values are reserved; a frame that carries one fails the connection.
///
/// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message that an earlier frame began.
    Continuation = 0x0,
    /// The payload is UTF-8 (a fragment may end inside a character).
    Text = 0x1,
    /// The payload is the application's own.
    Binary = 0x2,
    /// The sender will send nothing more.
    Close = 0x8,
    /// Asks for a Pong with the same payload.
    Ping = 0x9,
    /// Answers a Ping, or is a one-way heartbeat.
    Pong = 0xA,
}

impl Opcode {
    /// The opcode with this number; `None` if the RFC reserves it.
    ///
    /// Only the lower four bits count.
    #[inline(always)]
    pub const fn from_u4(number: u8) -> Option<Self> {
        match number & 0x0F {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// Close, Ping and Pong: "Control frames are identified by opcodes where the most significant
    /// bit of the opcode is 1" (§5.5).
    #[inline(always)]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_opcodes_are_known_and_ten_are_reserved() {
        let known: Vec<u8> = (0..16).filter(|&n| Opcode::from_u4(n).is_some()).collect();
        assert_eq!(known, [0x0, 0x1, 0x2, 0x8, 0x9, 0xA]);
        for n in known {
            let opcode = Opcode::from_u4(n).unwrap();
            assert_eq!(opcode as u8, n);
            assert_eq!(opcode.is_control(), n >= 8);
        }
    }
}
