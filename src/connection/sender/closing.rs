//! The closing handshake, as far as sending is concerned ([RFC 6455 §7]).
//!
//! [RFC 6455 §7]: https://www.rfc-editor.org/rfc/rfc6455#section-7

use super::{CloseState, Sender};
use crate::error::{ProtocolError, SendError};
use crate::frame::{CloseCode, CloseFrame, Opcode, Role};
use crate::message::OutgoingPayload;
use bytes::Buf;

/// How a connection ended, or is ending ([RFC 6455 §7.1.5, §7.1.6]).
///
/// [RFC 6455 §7.1.5, §7.1.6]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseInfo {
    /// What our Close frame said; [`NO_STATUS`](CloseCode::NO_STATUS) if it said nothing,
    /// [`ABNORMAL`](CloseCode::ABNORMAL) if none was sent.
    pub sent: CloseFrame,
    /// What the peer's Close frame said, in the same way. It is what a browser calls the code and
    /// reason of the close event.
    pub received: CloseFrame,
    /// Who sent its Close frame first; `None` if nobody sent one.
    pub first: Option<Role>,
    /// Both ends sent a Close frame, ours has left, and neither the peer nor time broke the protocol. What the
    /// peer's code says is another matter: see `received`.
    pub clean: bool,
}

impl Sender {
    /// Queues a Close frame, for which there is always room. `None` says nothing, which the peer reads
    /// as 1005. Afterwards nothing can be sent.
    ///
    /// # Errors
    /// A code that [must not be sent](CloseCode::is_sendable), a reason of more than 123 bytes, a second
    /// Close frame.
    pub fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<(), SendError> {
        let frame = frame.into();
        if self.close != CloseState::Open {
            return Err(SendError::Closed);
        }
        if let Some(CloseFrame { code, reason }) = &frame {
            // §7.4.1: "MUST NOT be set as a status code in a Close control frame by an endpoint".
            if !code.is_sendable() {
                return Err(SendError::InvalidCloseCode(*code));
            }
            if reason.len() > CloseFrame::MAX_REASON {
                return Err(SendError::ControlTooLong);
            }
        }
        self.put_close(frame)?;
        self.close = CloseState::Sent;
        Ok(())
    }

    /// Ends the connection because of what the peer did: queues the Close frame that says so, if one is
    /// sent for it and none was sent before (§7.1.7).
    #[cold]
    pub fn fail(&mut self, error: &ProtocolError) {
        // §7.1.7: "the endpoint SHOULD send a Close frame with an appropriate status code (Section 7.4)
        // before proceeding to _Close the WebSocket Connection_."
        if let Some(code) = error.close_code()
            && self.close == CloseState::Open
        {
            let _sent_if_possible = self.put_close(Some(CloseFrame::new(code, error.to_string())));
        }
        self.info().clean = false;
        match self.close {
            CloseState::Failed | CloseState::Abandoned => {}
            _ if error.close_code().is_none() => self.abandon(),
            _ => self.close = CloseState::Failed,
        }
    }

    /// The transport cannot be written to any more: drops what waits, and refuses what is to come.
    pub fn abandon(&mut self) {
        self.deflater = None;
        self.close = CloseState::Abandoned;
        let unwritten = self.output.has_remaining();
        self.output.clear();
        self.pong = None;
        let info = self.info();
        if unwritten {
            // A Close frame is the last of what is written, so it has not left, or not wholly.
            info.sent = CloseCode::ABNORMAL.into();
            info.clean = false;
        }
    }

    /// How the connection ended or is ending; `None` while it is open.
    pub fn close_info(&self) -> Option<&CloseInfo> {
        self.close_info.as_deref()
    }

    /// Queues a Close frame, and notes what it says. A pong that is owed goes first.
    ///
    /// §7.1.2: "an endpoint MUST send a Close control frame ... whose status code is set to /code/ and whose
    /// close reason is set to /reason/."
    fn put_close(&mut self, frame: Option<CloseFrame>) -> Result<(), SendError> {
        self.deflater = None; // there is no further message
        self.settle_pong();
        let mut payload = Vec::new();
        if let Some(CloseFrame { code, reason }) = &frame {
            payload.extend_from_slice(&code.as_u16().to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        self.put(Opcode::Close, true, OutgoingPayload::Borrowed(&payload))?;
        let role = self.role;
        let info = self.info();
        info.sent = frame.unwrap_or_else(|| CloseCode::NO_STATUS.into());
        info.first.get_or_insert(role);
        Ok(())
    }

    fn info(&mut self) -> &mut CloseInfo {
        self.close_info.get_or_insert_with(|| {
            Box::new(CloseInfo {
                sent: CloseCode::ABNORMAL.into(),
                received: CloseCode::ABNORMAL.into(),
                first: None,
                clean: false,
            })
        })
    }

    /// §5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame, the
    /// endpoint MUST send a Close frame in response. (When sending a Close frame in response, the
    /// endpoint typically echos the status code it received.)"
    #[cold]
    pub(crate) fn answer_close(&mut self, frame: Option<CloseFrame>) {
        let peer = self.role.peer();
        let info = self.info();
        info.first.get_or_insert(peer);
        info.received = frame.clone().unwrap_or_else(|| CloseCode::NO_STATUS.into());
        match self.close {
            CloseState::Open => match self.put_close(frame) {
                Ok(()) => self.close = CloseState::Done,
                Err(_) => self.abandon(),
            },
            CloseState::Sent => self.close = CloseState::Done,
            CloseState::Done | CloseState::Failed | CloseState::Abandoned => return,
        }
        self.info().clean = self.close == CloseState::Done;
    }
}
