//! One thread reads and another writes.

use crate::{Missing, Result, connected, describe};
use sansocket::{CloseCode, CloseFrame, Connect, Message, blocking};
use std::sync::mpsc;
use std::thread;

pub(crate) fn talk(connect: Connect, messages: Vec<Message>) -> Result<()> {
    let ws = blocking::connect(connect)?;
    connected(ws.protocol(), ws.extensions());
    let (mut reader, writer) = ws.split()?;

    let mut missing = Missing(messages.clone());
    let (go_on, all_came_back) = mpsc::channel();
    let writing = thread::spawn(move || {
        for message in &messages {
            println!("sending {}", describe(message));
            writer.send(message)?;
        }
        let _reader_ended = all_came_back.recv();
        writer.close(CloseFrame::new(CloseCode::NORMAL, ""))
    });
    loop {
        if missing.is_empty() {
            let _writer_ended = go_on.send(());
        }
        let Some(message) = reader.read()? else { break };
        missing.came(&message);
    }
    missing.closed(reader.close_info())?;
    writing.join().map_err(|_| "the writing thread panicked")??;
    Ok(())
}
