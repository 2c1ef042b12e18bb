//! Frames: values and pure functions, no state ([RFC 6455 §5], §7.4).
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  +-+-+-+-+-------+-+-------------+-------------------------------+
//!  |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//!  |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
//!  |N|V|V|V|       |S|             |   (if payload len==126/127)   |
//!  | |1|2|3|       |K|             |                               |
//!  +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//!  |     Extended payload length continued, if payload len == 127  |
//!  + - - - - - - - - - - - - - - - +-------------------------------+
//!  |                               |Masking-key, if MASK set to 1  |
//!  +-------------------------------+-------------------------------+
//!  | Masking-key (continued)       |          Payload Data         |
//!  +-------------------------------- - - - - - - - - - - - - - - - +
//!  :                     Payload Data continued ...                :
//!  + - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - +
//! ```
//!
//! [`Header`] reads and writes what stands before the payload, [`mask`] is the XOR of §5.3,
//! [`CloseCode`] and [`CloseFrame`] are what a Close frame says, and [`inspect`] prints frames for a
//! person to read.
//!
//! [RFC 6455 §5]: https://www.rfc-editor.org/rfc/rfc6455#section-5

mod close;
mod header;
pub mod inspect;
pub mod mask;
mod opcode;
mod role;

pub use close::{CloseCode, CloseFrame};
pub use header::Header;
pub(crate) use header::Rules;
pub use opcode::Opcode;
pub use role::Role;
