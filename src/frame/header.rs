use crate::error::ProtocolError;
use crate::frame::{Opcode, Role};
use bytes::BufMut;

/// What stands before a frame's payload ([RFC 6455 §5.2]).
///
/// ```
/// use sansocket::frame::{Header, Opcode};
///
/// let wire = [0x81, 0x05, b'H', b'e', b'l', b'l', b'o']; // RFC 6455 §5.7
/// let (header, length) = Header::decode(&wire)?.expect("all of it is there");
/// assert_eq!(header, Header::new(Opcode::Text, 5));
/// assert_eq!(&wire[length..], b"Hello");
/// # Ok::<(), sansocket::ProtocolError>(())
/// ```
///
/// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// This is the last, or only, fragment of its message.
    pub fin: bool,
    /// The three reserved bits, [`RSV1`](Self::RSV1) to [`RSV3`](Self::RSV3).
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key; a client's frames have one, a server's have none.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload that follow; at most `i64::MAX`.
    pub payload_len: u64,
}

impl Header {
    /// The most bytes that a header can have.
    pub const MAX_LEN: usize = 14;
    /// Bytes that [`to_bytes`](Self::to_bytes) returns: a header, and what fills up two registers.
    pub(crate) const STORED: usize = 16;
    /// The first reserved bit: "compressed" under permessage-deflate (RFC 7692 §6).
    pub const RSV1: u8 = 0b100;
    /// The second reserved bit; no registered extension uses it.
    pub const RSV2: u8 = 0b010;
    /// The third reserved bit; no registered extension uses it.
    pub const RSV3: u8 = 0b001;

    /// The header of a whole, unmasked frame.
    #[inline(always)]
    pub const fn new(opcode: Opcode, payload_len: u64) -> Self {
        Self { fin: true, rsv: 0, opcode, mask: None, payload_len }
    }

    /// Reads the header at the beginning of `input`, and says how many bytes it has. `None`: it is
    /// not wholly there yet.
    ///
    /// # Errors
    /// What no frame may be, as soon as the bytes that show it are there: a reserved opcode, a
    /// fragmented or oversized control frame, a length that is too large or not in its shortest form.
    /// What depends on the connection (reserved bits, the mask, the order of fragments) is left to
    /// [`Connection`](crate::Connection).
    #[inline(always)]
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        Self::decode_by(input, Rules::ANY)
    }

    #[inline(always)]
    pub(crate) fn decode_by(input: &[u8], rules: Rules) -> Result<Option<(Self, usize)>, ProtocolError> {
        let &[b0, b1, ref rest @ ..] = input else { return Ok(None) };
        let opcode = rules.check(b0, b1)?;

        let (payload_len, rest, length) = match b1 & 0x7F {
            short @ ..=125 => (u64::from(short), rest, 2),
            // §5.2: "Note that in all cases, the minimal number of bytes MUST be used to encode the length".
            126 => {
                let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
                match u64::from(u16::from_be_bytes(*bytes)) {
                    ..126 => return Err(ProtocolError::LengthNotMinimal),
                    medium => (medium, rest, 4),
                }
            }
            _ => {
                let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
                match u64::from_be_bytes(*bytes) {
                    ..0x1_0000 => return Err(ProtocolError::LengthNotMinimal),
                    // §5.2: "the most significant bit MUST be 0".
                    0x8000_0000_0000_0000.. => return Err(ProtocolError::LengthTooLarge),
                    long => (long, rest, 10),
                }
            }
        };

        let fin = b0 & 0x80 != 0;
        let rsv = b0 >> 4 & 0b111;
        if b1 & 0x80 == 0 {
            return Ok(Some((Self { fin, rsv, opcode, mask: None, payload_len }, length)));
        }
        let Some(key) = rest.first_chunk() else { return Ok(None) };
        Ok(Some((Self { fin, rsv, opcode, mask: Some(*key), payload_len }, length + 4)))
    }

    /// Writes the header, with the length in its shortest form.
    ///
    /// What the fields hold is written as it is, right or wrong, except that only the lower three bits
    /// of `rsv` count.
    #[inline]
    pub fn encode(&self, out: &mut impl BufMut) {
        let (bytes, length) = self.to_bytes();
        out.put_slice(bytes.get(..length).unwrap_or_default());
    }

    /// The encoded header, and how many of the bytes it has.
    ///
    /// It is put together in two registers, the first byte lowest: an array of bytes costs 25 instructions
    /// more.
    #[inline(always)]
    pub(crate) fn to_bytes(self) -> ([u8; Self::STORED], usize) {
        // §5.3: "A masked frame MUST have the field frame-masked set to 1".
        let (masked, key, key_len) = match self.mask {
            Some(key) => (1 << 15, u32::from_le_bytes(key), 4),
            None => (0, 0, 0),
        };
        let first = u64::from(self.fin) << 7 | u64::from(self.rsv & 0b111) << 4 | self.opcode as u64 | masked;
        let (bits, length) = match self.payload_len {
            n @ ..=125 => (u128::from(first | n << 8 | u64::from(key) << 16), 2),
            n @ ..=0xFFFF => {
                (u128::from(first | 126 << 8 | n.swap_bytes() >> 48 << 16 | u64::from(key) << 32), 4)
            }
            n => {
                (u128::from(first | 127 << 8) | u128::from(n.swap_bytes()) << 16 | u128::from(key) << 80, 10)
            }
        };
        (bits.to_le_bytes(), length + key_len)
    }
}

/// What a connection knows when a frame begins, and what the frame has to agree with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The reserved bits that the first frame of a message may have set.
    pub(crate) rsv: u8,
    /// Whether frames must be masked.
    pub(crate) masked: Option<bool>,
    /// Whether a message is unfinished, so that a continuation has to come.
    pub(crate) fragmented: Option<bool>,
}

impl Rules {
    /// Nothing is known: anything that some connection may receive.
    const ANY: Self = Self { rsv: 0xFF, masked: None, fragmented: None };

    /// What the endpoint in this role expects of its peer.
    pub(crate) const fn of(receiver: Role) -> Self {
        Self { rsv: 0, masked: Some(matches!(receiver, Role::Server)), fragmented: Some(false) }
    }

    /// All that the first two bytes of a frame can be guilty of.
    #[inline(always)]
    fn check(self, b0: u8, b1: u8) -> Result<Opcode, ProtocolError> {
        let (fin, rsv, masked) = (b0 & 0x80 != 0, b0 >> 4 & 0b111, b1 & 0x80 != 0);
        // Nearly every frame is a whole message, of which none of the rules below complains.
        if self.masked == Some(masked) && self.fragmented == Some(false) {
            match b0 {
                0x81 => return Ok(Opcode::Text),
                0x82 => return Ok(Opcode::Binary),
                _ => {}
            }
        }
        let opcode = Opcode::from_u4(b0);
        // §5.2: "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values." RFC
        // 7692 §6.1, of a control frame or a non-first fragment with RSV1: "An endpoint receiving such a
        // frame MUST _Fail the WebSocket Connection_."
        let allowed = match opcode {
            _ if self.rsv == Self::ANY.rsv => 0b111,
            Some(Opcode::Text | Opcode::Binary) => self.rsv,
            _ => 0,
        };
        if rsv & !allowed != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        // §5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket
        // Connection_."
        let Some(opcode) = opcode else { return Err(ProtocolError::ReservedOpcode(b0 & 0x0F)) };
        // §5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
        // fragmented."
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }
        match (self.fragmented, opcode) {
            (Some(false), Opcode::Continuation) => return Err(ProtocolError::UnexpectedContinuation),
            // §5.4: "The fragments of one message MUST NOT be interleaved between the fragments of
            // another message unless an extension has been negotiated that can interpret the
            // interleaving."
            (Some(true), Opcode::Text | Opcode::Binary) => return Err(ProtocolError::ExpectedContinuation),
            _ => {}
        }
        match (self.masked, masked) {
            // §5.1: "The server MUST close the connection upon receiving a frame that is not masked."
            (Some(true), false) => return Err(ProtocolError::UnmaskedFrame),
            // §5.1: "A client MUST close a connection if it detects a masked frame."
            (Some(false), true) => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        if opcode.is_control() && b1 & 0x7F > 125 {
            return Err(ProtocolError::ControlTooLong);
        }
        Ok(opcode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProtocolError::*;

    fn decode(wire: &[u8]) -> Result<Option<(Header, usize)>, ProtocolError> {
        Header::decode(wire)
    }

    #[test]
    fn headers_survive_the_wire_at_every_boundary_of_the_length() {
        let lengths = [0, 1, 125, 126, 127, 0xFFFF, 0x1_0000, i64::MAX as u64];
        for opcode in (0..16).filter_map(Opcode::from_u4) {
            for &payload_len in lengths.iter().filter(|&&n| n <= 125 || !opcode.is_control()) {
                for mask in [None, Some([1, 2, 3, 4])] {
                    for rsv in 0..8 {
                        let fin = opcode.is_control() || rsv % 2 == 0;
                        let header = Header { fin, rsv, opcode, mask, payload_len };
                        let mut wire = Vec::new();
                        header.encode(&mut wire);
                        assert_eq!(decode(&wire), Ok(Some((header, wire.len()))));
                        for cut in 0..wire.len() {
                            assert_eq!(decode(&wire[..cut]), Ok(None), "{header:?} cut at {cut}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_length_is_in_its_shortest_form() {
        assert_eq!(decode(&[0x82, 126, 0, 125]), Err(LengthNotMinimal));
        assert_eq!(decode(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]), Err(LengthNotMinimal));
        assert!(matches!(decode(&[0x82, 126, 0, 126]), Ok(Some(_))));
    }

    #[test]
    fn the_length_has_63_bits() {
        assert_eq!(decode(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]), Err(LengthTooLarge));
        assert_eq!(decode(&[0x82, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), Err(LengthTooLarge));
    }

    #[test]
    fn control_frames_are_short_and_whole() {
        for opcode in [0x8, 0x9, 0xA] {
            assert_eq!(decode(&[opcode, 0]), Err(FragmentedControl));
            assert_eq!(decode(&[0x80 | opcode, 126]), Err(ControlTooLong));
            assert_eq!(decode(&[0x80 | opcode, 127]), Err(ControlTooLong));
        }
    }

    #[test]
    fn checks_come_in_the_documented_order() {
        // Each frame is guilty of one thing less than the one before it.
        let server = Rules { fragmented: Some(true), ..Rules::of(Role::Server) };
        let judge = |wire: &[u8]| Header::decode_by(wire, server).unwrap_err();
        assert_eq!(judge(&[0x1B, 0x7F]), ReservedBits);
        assert_eq!(judge(&[0x0B, 0x7F]), ReservedOpcode(0xB));
        assert_eq!(judge(&[0x09, 0x7F]), FragmentedControl);
        assert_eq!(judge(&[0x81, 0x7E, 0, 1]), ExpectedContinuation);
        assert_eq!(judge(&[0x80, 0x7E, 0, 1]), UnmaskedFrame);
        assert_eq!(judge(&[0x80, 0xFE, 0, 1]), LengthNotMinimal);
    }

    #[test]
    fn an_extension_may_mark_the_first_frame_of_a_message_only() {
        let rules = Rules { rsv: Header::RSV1, ..Rules::of(Role::Client) };
        assert!(Header::decode_by(&[0xC1, 0], rules).is_ok());
        for b0 in [0xA1, 0x91, 0xC9, 0xC8, 0xC0] {
            assert_eq!(Header::decode_by(&[b0, 0], rules), Err(ReservedBits), "{b0:x}");
        }
    }

    #[test]
    fn every_first_two_bytes_are_judged_for_either_role_and_between_fragments() {
        for (role, is_masked) in [(Role::Server, true), (Role::Client, false)] {
            for fragmented in [false, true] {
                for (b0, b1) in (0..=u8::MAX).flat_map(|b0| [0, 5, 0x80, 0x85].map(|b1| (b0, b1))) {
                    let expected = match (b0 & 0x0F, b0 & 0x80 != 0) {
                        _ if b0 & 0x70 != 0 => Err(ReservedBits),
                        (opcode @ (3..=7 | 11..), _) => Err(ReservedOpcode(opcode)),
                        (8..=10, false) => Err(FragmentedControl),
                        (0, _) if !fragmented => Err(UnexpectedContinuation),
                        (1 | 2, _) if fragmented => Err(ExpectedContinuation),
                        _ if is_masked && b1 & 0x80 == 0 => Err(UnmaskedFrame),
                        _ if !is_masked && b1 & 0x80 != 0 => Err(MaskedFrame),
                        (opcode, _) => Ok(Opcode::from_u4(opcode).unwrap()),
                    };
                    let rules = Rules { fragmented: Some(fragmented), ..Rules::of(role) };
                    assert_eq!(rules.check(b0, b1), expected, "{b0:#x} {b1:#x} {role:?} {fragmented}");
                }
            }
        }
    }
}
