//! One task reads and another writes, on smol. The front end for futures-io knows no runtime, so here the
//! stream is made by the application.

use crate::{Args, Missing, Result, connected, describe, tls_config};
use futures_rustls::TlsConnector;
use sansocket::futures;
use sansocket::rustls::pki_types::ServerName;
use sansocket::{CloseCode, CloseFrame, Connect, Message, Proxy};
use smol::Timer;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;
use std::sync::Arc;

pub(crate) fn talk(connect: Connect, args: &Args, messages: Vec<Message>) -> Result<()> {
    smol::block_on(async {
        // With a timer, the deadlines of `Config` hold by themselves.
        let stream = futures::with_timer(dial(&connect, args).await?, Timer::at);
        let ws = futures::connect(stream, connect).await?;
        connected(ws.protocol(), ws.extensions());
        let (mut reader, mut writer) = ws.split();

        let mut missing = Missing(messages.clone());
        let (go_on, all_came_back) = smol::channel::unbounded();
        let writing = smol::spawn(async move {
            for message in &messages {
                println!("sending {}", describe(message));
                writer.send(message).await?;
            }
            let _reader_ended = all_came_back.recv().await;
            writer.close(CloseFrame::new(CloseCode::NORMAL, "")).await
        });
        loop {
            if missing.is_empty() {
                let _writer_ended = go_on.send(()).await;
            }
            let Some(message) = reader.read().await? else { break };
            missing.came(&message);
        }
        missing.closed(reader.close_info())?;
        writing.await?;
        Ok(())
    })
}

/// Any stream.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects: TCP, or a Unix socket; a proxy's tunnel, if there is one; TLS, if the URL wants that.
async fn dial(connect: &Connect, args: &Args) -> Result<Box<dyn Stream>> {
    let url = connect.request().url();
    let proxy = if args.proxy_from_env { Proxy::from_env(url)? } else { args.proxy.clone() };
    let (host, port) = match &proxy {
        Some(proxy) => (proxy.host(), proxy.port()),
        None => (url.host(), url.port()),
    };
    let mut stream = socket(args, host, port).await?;
    if let Some(proxy) = &proxy {
        let timed = futures::with_timer(stream, Timer::at);
        stream = futures::tunnel(timed, proxy, url, args.timeout).await?;
    }
    if url.is_secure() {
        let mut config = tls_config(args)?;
        config.alpn_protocols.push(b"http/1.1".to_vec());
        let host = ServerName::try_from(url.host())?.to_owned();
        stream = Box::new(TlsConnector::from(Arc::new(config)).connect(host, stream).await?);
    }
    Ok(stream)
}

async fn socket(args: &Args, host: &str, port: u16) -> Result<Box<dyn Stream>> {
    #[cfg(unix)]
    if let Some(path) = &args.unix {
        return Ok(Box::new(smol::net::unix::UnixStream::connect(path).await?));
    }
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}
