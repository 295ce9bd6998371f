//! `rootforge copy`: an image from one place to another, whatever they are.

use super::Session;
use super::error::Failure;
use super::place::{Destination, Source, Wanted, transfer};

const SOURCE_HELP: &str = "The image: oci:DIR[:NAME], oci-archive:FILE, docker-archive:FILE or \
    docker://HOST/REPOSITORY[:TAG]";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(help = SOURCE_HELP)]
    source: String,
    /// Where it goes: one of these, dir:PATH or tar:FILE
    destination: String,
    /// Architectures to take of several, separated by commas [default: all]
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    arch: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let source = Source::parse(&arguments.source)?;
    let destination = Destination::parse(&arguments.destination)?;
    let wanted = Wanted::parse(&arguments.arch, Wanted::All)?;
    transfer(session, &source, &wanted, &destination, None)?.tell(session);
    Ok(())
}
