//! Stands in for `deflate.rs` without the feature: types without values, so that nobody else needs to ask for
//! it.

use crate::error::ProtocolError;
use crate::frame::Role;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deflate {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Params {}

#[derive(Debug)]
pub(crate) enum Inflater {}

#[derive(Debug)]
pub(crate) enum Deflater {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {}

#[derive(Default, PartialEq, Eq)]
pub(crate) struct Inflated {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
}

type Param<'a> = (&'a str, Option<&'a str>);

impl Deflate {
    pub(crate) fn offer(&self) -> String {
        match *self {}
    }

    pub(crate) fn answer<'a>(&self, _: impl IntoIterator<Item = Param<'a>>) -> Option<Params> {
        match *self {}
    }

    pub(crate) fn check<'a>(&self, _: impl IntoIterator<Item = Param<'a>>) -> Option<Params> {
        match *self {}
    }
}

impl Params {
    pub(crate) const NAME: &str = "permessage-deflate";
}

impl fmt::Display for Params {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Inflater {
    pub(crate) fn new(params: &Params, _: Role) -> Self {
        match *params {}
    }

    pub(crate) fn is_full(&self) -> bool {
        match *self {}
    }

    pub(crate) fn inflate(&mut self, _: &[u8], _: &mut [u8]) -> Result<Inflated, ProtocolError> {
        match *self {}
    }

    pub(crate) fn note(&mut self, _: &[u8]) {
        match *self {}
    }

    pub(crate) fn finish(&mut self) -> Result<(), ProtocolError> {
        match *self {}
    }

    pub(crate) fn release(&mut self) {
        match *self {}
    }
}

impl Deflater {
    pub(crate) fn agreed(_: Option<&Deflate>, params: Option<&Params>, _: Role) -> Option<Self> {
        match *params? {}
    }

    pub(crate) fn wants(&self, _: usize) -> bool {
        match *self {}
    }

    pub(crate) fn shape(&self) -> Shape {
        match *self {}
    }

    pub(crate) fn deflate(&mut self, _: &[u8], _: bool, _: &mut Vec<u8>) {
        match *self {}
    }

    pub(crate) fn store(&mut self, _: &[u8], _: bool, _: &mut Vec<u8>) {
        match *self {}
    }

    pub(crate) fn forget(&mut self) {
        match *self {}
    }
}

impl Shape {
    pub(crate) fn deflate(self, _: &[u8]) -> Vec<u8> {
        match self {}
    }
}

pub(crate) mod pool {
    pub(crate) const SCRATCH: usize = 0;

    pub(crate) fn scratch() -> Vec<u8> {
        Vec::new()
    }

    pub(crate) fn give_scratch(_: Vec<u8>) {}
}
