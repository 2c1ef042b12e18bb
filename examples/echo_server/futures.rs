//! A task for each connection, on smol: the front end for futures-io fits any runtime that has its traits.

use crate::{PAUSE, TLS_TIMEOUT, log};
use futures_rustls::TlsAcceptor;
use sansocket::Error;
use sansocket::futures;
use sansocket::handshake::server::Options;
use sansocket::rustls::ServerConfig;
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;
use smol::{Async, Timer};
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

/// Serves one connection until it is closed.
///
/// What is fed leaves before the next read waits: a burst of messages is answered by one write.
async fn echo<S>(stream: S, options: Arc<Options>) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // With a timer, the deadlines of `Config` hold by themselves.
    let stream = futures::with_timer(stream, Timer::at);
    let mut ws = futures::accept_with(stream, options).await?;
    while let Some(message) = ws.read().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

/// TLS, if there is to be any, comes before the opening handshake.
async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, options: Arc<Options>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return echo(stream, options).await };
    let late = async {
        Timer::after(TLS_TIMEOUT).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    echo(tls.accept(stream).or(late).await?, options).await
}

pub(crate) fn listen(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    options: Arc<Options>,
) -> io::Result<Infallible> {
    smol::block_on(async {
        let listener = smol::net::TcpListener::from(Async::new(listener)?);
        let tls = tls.map(TlsAcceptor::from);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let serving = serve(stream, tls.clone(), Arc::clone(&options));
                    smol::spawn(async move { serving.await.unwrap_or_else(|error| log(peer, error)) })
                        .detach();
                }
                Err(error) => {
                    log("cannot take a connection", error);
                    Timer::after(PAUSE).await;
                }
            }
        }
    })
}
