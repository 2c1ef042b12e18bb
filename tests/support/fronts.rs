//! The three front ends behind one trait, so that one test can be run over each of them.

use sansocket::handshake::negotiate::Answer;
use sansocket::handshake::{Rejection, client::Request, server::Options};
use sansocket::{
    CloseFrame, CloseInfo, Config, Error, Event, Message, Outgoing, PreparedMessage, Sender, State,
};
use sansocket::{blocking, futures, http, tokio};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// What the server makes of a request.
pub(crate) type Decision = Result<Answer, Rejection>;

/// A WebSocket over a TCP connection, by one of the front ends. A blocking call is a future that is ready at
/// once.
pub(crate) trait Front: Sized {
    const NAME: &str;

    fn block_on<R>(future: impl Future<Output = R>) -> R;
    async fn client(stream: TcpStream, request: Request, config: Config) -> Result<Self, Error>;
    async fn accept(stream: TcpStream, options: Options) -> Result<Self, Error>;
    /// Accepts in two steps.
    async fn decide(
        stream: TcpStream,
        options: Options,
        decide: impl FnOnce(&http::Request<()>) -> Decision,
    ) -> Result<Self, Error>;
    async fn read(&mut self) -> Result<Option<Message>, Error>;
    async fn read_with<R>(&mut self, f: impl FnOnce(Event<'_>, &mut Sender) -> R)
    -> Result<Option<R>, Error>;
    async fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error>;
    async fn feed<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error>;
    async fn flush(&mut self) -> Result<(), Error>;
    async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error>;
    async fn send_fragment<'m>(&mut self, part: impl Into<Outgoing<'m>>, fin: bool) -> Result<(), Error>;
    async fn ping(&mut self, payload: &[u8]) -> Result<(), Error>;
    async fn close(&mut self, frame: Option<CloseFrame>) -> Result<CloseInfo, Error>;
    fn state(&self) -> State;
    fn close_info(&self) -> Option<CloseInfo>;
    fn buffered_amount(&self) -> usize;
    fn protocol(&self) -> Option<String>;
    fn extensions(&self) -> String;
    fn release_buffers(&mut self);
}

pub(crate) struct Blocking(blocking::WebSocket<TcpStream>);
pub(crate) struct Tokio(tokio::WebSocket<::tokio::net::TcpStream>);
pub(crate) struct Futures(futures::WebSocket<smol::net::TcpStream>);

/// Implements [`Front`], with `.await` or without.
macro_rules! front {
    (
        $front:ident, $block_on:expr,
        client: |$to:ident, $request:ident, $config:ident| $client:expr,
        handshake: |$stream:ident, $options:ident| $handshake:expr,
        accept: |$accepted:ident, $with:ident| $accept:expr,
        $($wait:tt)*
    ) => {
        impl Front for $front {
            const NAME: &str = stringify!($front);

            fn block_on<R>(future: impl Future<Output = R>) -> R {
                $block_on(future)
            }

            async fn client($to: TcpStream, $request: Request, $config: Config) -> Result<Self, Error> {
                Ok(Self($client?))
            }

            async fn accept($accepted: TcpStream, $with: Options) -> Result<Self, Error> {
                Ok(Self($accept?))
            }

            async fn decide(
                $stream: TcpStream,
                $options: Options,
                decide: impl FnOnce(&http::Request<()>) -> Decision,
            ) -> Result<Self, Error> {
                let mut handshake = $handshake;
                match decide(handshake.read()$($wait)*?) {
                    Ok(answer) => Ok(Self(handshake.accept_with(answer)$($wait)*?)),
                    Err(rejection) => Err(handshake.reject(rejection)$($wait)*),
                }
            }

            async fn read(&mut self) -> Result<Option<Message>, Error> {
                self.0.read()$($wait)*
            }

            async fn read_with<R>(
                &mut self,
                f: impl FnOnce(Event<'_>, &mut Sender) -> R,
            ) -> Result<Option<R>, Error> {
                self.0.read_with(f)$($wait)*
            }

            async fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
                self.0.send(message)$($wait)*
            }

            async fn feed<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
                self.0.feed(message)$($wait)*
            }

            async fn flush(&mut self) -> Result<(), Error> {
                self.0.flush()$($wait)*
            }

            async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
                self.0.send_prepared(message)$($wait)*
            }

            async fn send_fragment<'m>(
                &mut self,
                part: impl Into<Outgoing<'m>>,
                fin: bool,
            ) -> Result<(), Error> {
                self.0.send_fragment(part, fin)$($wait)*
            }

            async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
                self.0.ping(payload)$($wait)*
            }

            async fn close(&mut self, frame: Option<CloseFrame>) -> Result<CloseInfo, Error> {
                self.0.close(frame)$($wait)*
            }

            fn state(&self) -> State {
                self.0.state()
            }

            fn close_info(&self) -> Option<CloseInfo> {
                self.0.close_info().cloned()
            }

            fn buffered_amount(&self) -> usize {
                self.0.buffered_amount()
            }

            fn extensions(&self) -> String {
                self.0.extensions().to_owned()
            }

            fn release_buffers(&mut self) {
                self.0.release_buffers();
            }

            fn protocol(&self) -> Option<String> {
                self.0.protocol().map(str::to_owned)
            }
        }
    };
}

front! {
    Blocking, smol::block_on,
    client: |stream, request, config| blocking::WebSocket::client_tcp(stream, request, config),
    handshake: |stream, options| blocking::Handshake::tcp(stream, options)?,
    accept: |stream, options| blocking::accept_with(stream, options),
}

front! {
    Tokio, on_tokio,
    client: |stream, request, config| tokio::WebSocket::client(into_tokio(stream)?, request, config).await,
    handshake: |stream, options| tokio::Handshake::new(into_tokio(stream)?, options),
    accept: |stream, options| tokio::accept_with(into_tokio(stream)?, options).await,
    .await
}

front! {
    Futures, smol::block_on,
    client: |stream, request, config| futures::WebSocket::client(timed(stream)?, request, config).await,
    handshake: |stream, options| futures::Handshake::new(timed(stream)?, options),
    accept: |stream, options| futures::accept_with(timed(stream)?, options).await,
    .await
}

fn on_tokio<R>(future: impl Future<Output = R>) -> R {
    ::tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn into_tokio(stream: TcpStream) -> std::io::Result<::tokio::net::TcpStream> {
    stream.set_nonblocking(true)?;
    ::tokio::net::TcpStream::from_std(stream)
}

/// With smol's timer.
fn timed(stream: TcpStream) -> std::io::Result<sansocket::asynchronous::Futures<smol::net::TcpStream>> {
    Ok(futures::with_timer(smol::net::TcpStream::try_from(stream)?, smol::Timer::at))
}

/// What two ends do, whatever their front ends are.
pub(crate) trait Scenario {
    async fn server<F: Front>(stream: TcpStream);
    async fn client<F: Front>(stream: TcpStream, request: Request);
}

/// Plays a scenario with each front end as the client, and each as the server.
pub(crate) fn play<S: Scenario>() {
    play_with_client::<S, Blocking>();
    play_with_client::<S, Tokio>();
    play_with_client::<S, Futures>();
}

fn play_with_client<S: Scenario, C: Front>() {
    play_pair::<S, C, Blocking>();
    play_pair::<S, C, Tokio>();
    play_pair::<S, C, Futures>();
}

fn play_pair<S: Scenario, C: Front, D: Front>() {
    println!("{} talks to {}", C::NAME, D::NAME);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || D::block_on(S::server::<D>(listener.accept().unwrap().0)));
    let request = Request::new(&format!("ws://{address}/")).unwrap();
    C::block_on(S::client::<C>(TcpStream::connect(address).unwrap(), request));
    server.join().unwrap();
}
