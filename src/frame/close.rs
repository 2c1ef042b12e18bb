use crate::error::ProtocolError;
use crate::utf8::Utf8Bytes;
use std::fmt;

/// Why a connection is closed ([RFC 6455 §7.4] and the IANA registry).
///
/// The space is open: applications use 4000 to 4999 as they like, libraries register 3000 to 3999.
///
/// [RFC 6455 §7.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away: a server stops, a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the peer sent a kind of data that this endpoint does not accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005, never on the wire: the Close frame held no code.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006, never on the wire: the connection ended without a Close frame.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: a message's data is not what its type says, such as invalid UTF-8 in a text.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the message breaks a policy of this endpoint.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client expected an extension that the server did not agree to.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from the server behind it.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015, never on the wire: the TLS handshake failed.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// The code with this number; whether it may be sent is another question:
    /// [`is_sendable`](Self::is_sendable).
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether the code may appear in a Close frame: 1000 to 1003, 1007 to 1014 and 3000 to 4999.
    ///
    /// §7.4.1 says of 1005, 1006 and 1015 that each "is a reserved value and MUST NOT be set as a status
    /// code in a Close control frame by an endpoint"; §7.4.2 that 0 to 999 "are not used" and that 1000
    /// to 2999 are "reserved for definition by this protocol".
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({self})")
    }
}

/// The number and, where the registry has one, its name: `1000 normal`.
impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NORMAL => "normal",
            Self::GOING_AWAY => "going away",
            Self::PROTOCOL_ERROR => "protocol error",
            Self::UNSUPPORTED_DATA => "unsupported data",
            Self::NO_STATUS => "no status",
            Self::ABNORMAL => "abnormal closure",
            Self::INVALID_PAYLOAD => "invalid payload",
            Self::POLICY_VIOLATION => "policy violation",
            Self::MESSAGE_TOO_BIG => "message too big",
            Self::MANDATORY_EXTENSION => "mandatory extension",
            Self::INTERNAL_ERROR => "internal error",
            Self::SERVICE_RESTART => "service restart",
            Self::TRY_AGAIN_LATER => "try again later",
            Self::BAD_GATEWAY => "bad gateway",
            Self::TLS_HANDSHAKE => "TLS handshake",
            Self(code) => return write!(f, "{code}"),
        };
        write!(f, "{} {name}", self.0)
    }
}

/// What a Close frame says: a code and a reason ([RFC 6455 §5.5.1]).
///
/// ```
/// use sansocket::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame::new(CloseCode::GOING_AWAY, "restarting");
/// assert_eq!(frame.to_string(), "1001 going away (restarting)");
/// ```
///
/// [RFC 6455 §5.5.1]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CloseFrame {
    /// Why.
    pub code: CloseCode,
    /// Why, for a person who reads a log; at most 123 bytes.
    pub reason: Utf8Bytes,
}

impl CloseFrame {
    /// The most bytes that a reason can have: a control frame's 125, less two for the code.
    pub const MAX_REASON: usize = 123;

    /// A code and a reason. That they may be sent is checked when they are.
    pub fn new(code: impl Into<CloseCode>, reason: impl Into<Utf8Bytes>) -> Self {
        Self { code: code.into(), reason: reason.into() }
    }

    /// Reads the payload of a Close frame; an empty one says nothing.
    ///
    /// # Errors
    /// A single byte, a code that must not be sent, a reason that is not UTF-8.
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        match *payload {
            [] => Ok(None),
            // §5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned
            // integer (in network byte order) representing a status code".
            [_] => Err(ProtocolError::CloseTooShort),
            [high, low, ref reason @ ..] => {
                let code = CloseCode(u16::from_be_bytes([high, low]));
                if !code.is_sendable() {
                    return Err(ProtocolError::InvalidCloseCode(code));
                }
                let reason = str::from_utf8(reason).map_err(|_| ProtocolError::InvalidCloseReason)?;
                Ok(Some(Self { code, reason: reason.into() }))
            }
        }
    }
}

impl From<CloseCode> for CloseFrame {
    fn from(code: CloseCode) -> Self {
        Self::new(code, "")
    }
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.reason {
            "" => write!(f, "{}", self.code),
            reason => write!(f, "{} ({reason})", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_code_is_judged_as_the_registry_says() {
        let sendable = [1000..=1003, 1007..=1014, 3000..=4999];
        for code in 0..=u16::MAX {
            let decoded = CloseFrame::decode(&code.to_be_bytes());
            if sendable.iter().any(|range| range.contains(&code)) {
                assert_eq!(decoded, Ok(Some(CloseCode(code).into())));
            } else {
                assert_eq!(decoded, Err(ProtocolError::InvalidCloseCode(CloseCode(code))));
            }
        }
    }

    #[test]
    fn a_close_frame_has_no_body_or_a_code() {
        assert_eq!(CloseFrame::decode(b""), Ok(None));
        assert_eq!(CloseFrame::decode(b"\x03"), Err(ProtocolError::CloseTooShort));
        assert_eq!(CloseFrame::decode(b"\x03\xE8bye"), Ok(Some(CloseFrame::new(1000, "bye"))));
    }

    #[test]
    fn a_reason_is_utf8() {
        assert_eq!(CloseFrame::decode(b"\x03\xE8\xFF"), Err(ProtocolError::InvalidCloseReason));
        assert_eq!(CloseFrame::decode(b"\x03\xE8\xE2\x82"), Err(ProtocolError::InvalidCloseReason));
    }

    #[test]
    fn a_code_is_a_number_with_a_name() {
        assert_eq!((u16::from(CloseCode::NORMAL), CloseCode::from(1000)), (1000, CloseCode::NORMAL));
        assert_eq!(format!("{:?} {0}", CloseCode::NORMAL), "CloseCode(1000 normal) 1000 normal");
        assert_eq!(format!("{:?} {0}", CloseCode::new(4000)), "CloseCode(4000) 4000");
    }
}
