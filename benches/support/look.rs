use sansocket::Event;
use std::hint::black_box;

/// What every receiver does at least: it asks what came, and where.
#[inline(always)]
pub(crate) fn look(event: Event<'_>) {
    match event {
        Event::Text(text) => _ = black_box(text.as_bytes()),
        Event::Binary(payload) => _ = black_box(&*payload),
        other => panic!("{other:?}"),
    }
}
