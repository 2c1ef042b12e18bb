//! How long each row is measured, and whether it is drawn.

use criterion::Criterion;
use std::time::Duration;

/// Short, because rows are compared within one run. Charts take several times as long as
/// what they show, so they are drawn only if the environment has `CHARTS`.
pub(crate) fn criterion() -> Criterion {
    let criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(500));
    if std::env::var_os("CHARTS").is_some() { criterion } else { criterion.without_plots() }
}
