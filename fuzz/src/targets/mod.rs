//! One module, one target: `run` takes an input, and panics if it shows a fault.

use crate::support::choices::Choices;
use crate::support::delivery::Delivery;

pub mod client_stream;
pub mod deflate;
pub mod driver;
pub mod duplex;
pub mod extensions;
pub mod header;
mod http;
pub mod http_request;
pub mod http_response;
pub mod inflate;
pub mod mask;
pub mod server_stream;
mod stream;
pub mod url;
pub mod utf8;

/// How the rest of the input is to be cut; whole, if nothing is left to choose from.
fn delivery(choices: &mut Choices<'_>) -> Delivery {
    match choices.below(4) {
        0 => Delivery::Whole,
        1 => Delivery::ByteByByte,
        2 => Delivery::InTurn([0; 4].map(|_: u16| octet(choices).into())),
        _ => Delivery::RandomCuts(octet(choices).into()),
    }
}

/// One byte of the input as it is.
fn octet(choices: &mut Choices<'_>) -> u8 {
    u8::try_from(choices.below(256)).unwrap()
}

/// So many bytes of the input as they are, or those that are left.
fn octets(choices: &mut Choices<'_>, len: usize) -> Vec<u8> {
    (0..len).map_while(|_| (!choices.is_over()).then(|| octet(choices))).collect()
}
