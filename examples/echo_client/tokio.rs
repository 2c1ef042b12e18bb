//! One task reads and another writes, on tokio.

use crate::{Missing, Result, connected, describe};
use sansocket::{CloseCode, CloseFrame, Connect, Message};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

pub(crate) fn talk(connect: Connect, messages: Vec<Message>) -> Result<()> {
    Runtime::new()?.block_on(async {
        let ws = sansocket::tokio::connect(connect).await?;
        connected(ws.protocol(), ws.extensions());
        let (mut reader, mut writer) = ws.split();

        let mut missing = Missing(messages.clone());
        let go_on = Arc::new(Notify::new());
        let all_came_back = Arc::clone(&go_on);
        let writing = tokio::spawn(async move {
            for message in &messages {
                println!("sending {}", describe(message));
                writer.send(message).await?;
            }
            all_came_back.notified().await;
            writer.close(CloseFrame::new(CloseCode::NORMAL, "")).await
        });
        loop {
            if missing.is_empty() {
                go_on.notify_one();
            }
            let Some(message) = reader.read().await? else { break };
            missing.came(&message);
        }
        missing.closed(reader.close_info())?;
        writing.await??;
        Ok(())
    })
}
