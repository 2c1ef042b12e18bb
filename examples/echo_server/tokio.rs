//! A task for each connection, on tokio.

use crate::{PAUSE, TLS_TIMEOUT, log};
use sansocket::Error;
use sansocket::handshake::server::Options;
use sansocket::rustls::ServerConfig;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time;
use tokio_rustls::TlsAcceptor;

/// Serves one connection until it is closed.
///
/// What is fed leaves before the next read waits: a burst of messages is answered by one write.
async fn echo<S>(stream: S, options: Arc<Options>) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut ws = sansocket::tokio::accept_with(stream, options).await?;
    while let Some(message) = ws.read().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

/// TLS, if there is to be any, comes before the opening handshake.
async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, options: Arc<Options>) -> Result<(), Error> {
    let Some(tls) = tls else { return echo(stream, options).await };
    stream.set_nodelay(true)?;
    let accepting = time::timeout(TLS_TIMEOUT, tls.accept(stream));
    echo(accepting.await.map_err(io::Error::from)??, options).await
}

pub(crate) fn listen(
    listener: std::net::TcpListener,
    tls: Option<Arc<ServerConfig>>,
    options: Arc<Options>,
) -> io::Result<Infallible> {
    Runtime::new()?.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let tls = tls.map(TlsAcceptor::from);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let serving = serve(stream, tls.clone(), Arc::clone(&options));
                    tokio::spawn(async move {
                        serving.await.unwrap_or_else(|error| log(peer, error));
                    });
                }
                Err(error) => {
                    log("cannot take a connection", error);
                    time::sleep(PAUSE).await;
                }
            }
        }
    })
}
