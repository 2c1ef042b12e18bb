use crate::Failure;
use rustix::net::{AddressFamily, SocketType, bind, listen as start, socket, sockopt};
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::thread;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local};

/// Connections that may wait to be accepted: the generator opens many at once.
const BACKLOG: i32 = 4096;
/// Bytes of stack of a connection's thread.
const STACK: usize = 128 << 10;

/// Listens on the loopback interface.
///
/// # Errors
/// The port is taken.
pub fn listen(port: u16) -> Result<TcpListener, Failure> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    start(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Serves each connection with a task of tokio's, all on this thread. How a connection ends is for the generator to
/// judge.
///
/// # Errors
/// The runtime cannot start.
pub fn tasks<F>(
    listener: TcpListener,
    serve: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> Result<(), Failure>
where
    F: Future<Output: Send> + Send + 'static,
{
    runtime()?.block_on(accept(listener, |stream| drop(tokio::spawn(serve(stream)))))
}

/// The same for futures that have to stay on this thread.
///
/// # Errors
/// The runtime cannot start.
pub fn local_tasks<F>(
    listener: TcpListener,
    serve: impl Fn(tokio::net::TcpStream) -> F + 'static,
) -> Result<(), Failure>
where
    F: Future<Output = ()> + 'static,
{
    let accepting = accept(listener, |stream| drop(spawn_local(serve(stream))));
    LocalSet::new().block_on(&runtime()?, accepting)
}

async fn accept(listener: TcpListener, spawn: impl Fn(tokio::net::TcpStream)) -> Result<(), Failure> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn(stream);
    }
}

/// Serves each connection with a thread.
///
/// # Errors
/// A thread cannot start.
pub fn threads(
    listener: TcpListener,
    serve: impl Fn(TcpStream) + Clone + Send + 'static,
) -> Result<(), Failure> {
    for stream in listener.incoming() {
        let (stream, serve) = (stream?, serve.clone());
        stream.set_nodelay(true)?;
        thread::Builder::new().stack_size(STACK).spawn(move || serve(stream))?;
    }
    Ok(())
}

/// Runs what is asynchronous but never waits.
///
/// # Errors
/// The runtime cannot start, or the future fails.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(future)
}

fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
