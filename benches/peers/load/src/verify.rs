//! Whether a server's answers are right, to the last byte, before they are only counted.

use crate::client::Client;
use crate::traffic::Traffic;
use flate2::{Decompress, FlushDecompress};
use harness::Failure;
use sansocket::frame::{Header, mask};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

/// Bursts that are looked at, at least.
const BURSTS: usize = 3;

/// Sends a few bursts on a connection of its own, and compares the answers.
pub(crate) fn verify(client: Client, traffic: &Traffic, ahead: usize) -> Result<(), Failure> {
    let alone = client.extensions.contains("server_no_context_takeover");
    let mut expected = traffic.messages.iter().cycle();
    let mut inflate = Decompress::new(false);
    let (mut reader, mut writer) = (client.stream.try_clone()?, client.stream);
    for number in 0..BURSTS.max(traffic.bursts()) {
        let burst = traffic.burst(number);
        thread::scope(|scope| {
            // A server may well not read on before it has written.
            let writing = scope.spawn(|| writer.write_all(burst));
            for _ in 0..ahead {
                let (header, mut message) = message(&mut reader)?;
                if header.rsv == Header::RSV1 {
                    if alone {
                        inflate.reset(false);
                    }
                    message = inflated(&mut inflate, message)?;
                }
                let expected = expected.next().ok_or("there are no messages")?;
                if header.opcode != traffic.opcode || &message != expected {
                    return Err(format!("the answer to message {number} is another").into());
                }
            }
            writing.join().map_err(|_| "the writing thread has panicked")??;
            Ok::<(), Failure>(())
        })?;
    }
    Ok(())
}

/// The next message, and the header of its first frame.
fn message(stream: &mut TcpStream) -> Result<(Header, Vec<u8>), Failure> {
    let (mut first, mut message) = (None, Vec::new());
    loop {
        let (header, payload) = frame(stream)?;
        if header.opcode.is_control() {
            continue;
        }
        message.extend(payload);
        let first = *first.get_or_insert(header);
        if header.fin {
            return Ok((first, message));
        }
    }
}

fn frame(stream: &mut TcpStream) -> Result<(Header, Vec<u8>), Failure> {
    let mut head = Vec::new();
    let header = loop {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
        if let Some((header, _)) = Header::decode(&head)? {
            break header;
        }
    };
    let mut payload = vec![0; usize::try_from(header.payload_len)?];
    stream.read_exact(&mut payload)?;
    // A floor that knows no frames sends them back as they came.
    if let Some(key) = header.mask {
        mask::apply(&mut payload, key);
    }
    Ok((header, payload))
}

fn inflated(inflate: &mut Decompress, mut message: Vec<u8>) -> Result<Vec<u8>, Failure> {
    // RFC 7692 §7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message."
    message.extend([0, 0, 0xFF, 0xFF]);
    let mut inflated = Vec::with_capacity(1 << 20);
    inflate.decompress_vec(&message, &mut inflated, FlushDecompress::Sync)?;
    Ok(inflated)
}
