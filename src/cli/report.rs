//! `hearken runs` and `hearken report`.

use super::Failure;

/// List the runs and their figures.
#[derive(clap::Args)]
pub struct RunsArgs {}

/// Write a run's report again.
#[derive(clap::Args)]
pub struct ReportArgs {}

/// Lists the runs under the runs folder.
pub fn runs(_args: RunsArgs) -> Result<(), Failure> {
    Err("`runs` is being built".into())
}

/// Writes the report of one run again.
pub fn report(_args: ReportArgs) -> Result<(), Failure> {
    Err("`report` is being built".into())
}
