use harness::Failure;
use std::env;

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) command: String,
    pub(crate) port: u16,
    /// The server's process.
    pub(crate) pid: u32,
    pub(crate) connections: usize,
    /// Bytes of a message.
    pub(crate) size: usize,
    /// Messages that are sent before the first is answered.
    pub(crate) ahead: usize,
    pub(crate) kind: Kind,
    /// The extensions to offer.
    pub(crate) deflate: Option<String>,
    /// Seconds that do not count, and those that do.
    pub(crate) warm: f64,
    pub(crate) seconds: f64,
    /// Handshakes in all.
    pub(crate) count: usize,
}

/// What the messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Binary,
    Text,
    /// Text too, each message another.
    Json,
}

impl Arguments {
    pub(crate) fn read() -> Result<Self, Failure> {
        let mut given = env::args().skip(1);
        let mut arguments = Self {
            command: given.next().ok_or("usage: load COMMAND --port N --pid N ...")?,
            port: 9001,
            pid: 0,
            connections: 1,
            size: 64,
            ahead: 1,
            kind: Kind::Binary,
            deflate: None,
            warm: 0.2,
            seconds: 1.0,
            count: 5000,
        };
        while let Some(name) = given.next() {
            let value = given.next().ok_or_else(|| format!("{name} wants a value"))?;
            match name.as_str() {
                "--port" => arguments.port = value.parse()?,
                "--pid" => arguments.pid = value.parse()?,
                "--connections" => arguments.connections = value.parse()?,
                "--size" => arguments.size = value.parse()?,
                "--ahead" => arguments.ahead = value.parse()?,
                "--kind" => arguments.kind = Kind::named(&value)?,
                "--deflate" => arguments.deflate = Some(value),
                "--warm" => arguments.warm = value.parse()?,
                "--seconds" => arguments.seconds = value.parse()?,
                "--count" => arguments.count = value.parse()?,
                _ => return Err(format!("there is no {name}").into()),
            }
        }
        Ok(arguments)
    }
}

impl Kind {
    fn named(name: &str) -> Result<Self, Failure> {
        match name {
            "binary" => Ok(Self::Binary),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("there is no kind {name}").into()),
        }
    }
}
