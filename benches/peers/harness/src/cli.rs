use crate::{Codec, Echo, Failure, Options, allocations, mask, measure, serve};
use std::env;

/// The `main` of a row that can only serve.
///
/// # Errors
/// The command line is wrong, or the row fails.
pub fn echo<R: Echo>() -> Result<(), Failure> {
    match command()?.as_str() {
        "about" => about::<R>(false),
        "serve" => serve_row::<R>(),
        other => Err(format!("{} cannot {other}", R::NAME).into()),
    }
}

/// The `main` of a row that can serve, and work in memory.
///
/// # Errors
/// The command line is wrong, or the row fails.
pub fn echo_and_codec<R: Echo + Codec>() -> Result<(), Failure> {
    match command()?.as_str() {
        "about" => about::<R>(true),
        "decode" => measure::decode::<R>(R::NAME),
        "encode" => measure::encode::<R>(R::NAME),
        "mask" => mask::measure::<R>(),
        "allocations" => allocations::measure::<R>(R::NAME),
        "serve" => serve_row::<R>(),
        other => Err(format!("{} cannot {other}", R::NAME).into()),
    }
}

fn command() -> Result<String, Failure> {
    env::args()
        .nth(1)
        .ok_or_else(|| "usage: row about | serve --port N | decode | encode | mask | allocations".into())
}

fn about<R: Echo>(codec: bool) -> Result<(), Failure> {
    let (name, batch, deflate) = (R::NAME, R::BATCH, R::DEFLATE);
    println!(r#"{{"name":"{name}","batch":{batch},"deflate":{deflate:?},"codec":{codec}}}"#);
    Ok(())
}

fn serve_row<R: Echo>() -> Result<(), Failure> {
    let mut arguments = env::args().skip(2);
    let (mut port, mut options) = (9001, Options::default());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--port" => port = value()?.parse()?,
            "--batch" if R::BATCH => options.batch = true,
            "--deflate" => {
                let setting = value()?;
                if !R::DEFLATE.contains(&setting.as_str()) {
                    return Err(format!("{} has no setting {setting}", R::NAME).into());
                }
                options.deflate = Some(setting);
            }
            other => return Err(format!("{} does not know {other}", R::NAME).into()),
        }
    }
    R::serve(serve::listen(port)?, options)
}
