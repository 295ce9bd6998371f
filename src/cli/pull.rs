//! `rootforge pull`: an image out of a registry, into the layout that builds go into.

use rootforge::arch::Arch;
use rootforge::oci::Output;
use rootforge::registry::Reference;

use super::Session;
use super::error::Failure;
use super::place::{Destination, Source, Wanted, transfer, usage};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(help = "The image: docker://HOST/REPOSITORY[:TAG] or docker://HOST/REPOSITORY@DIGEST")]
    image: String,
    /// Architectures to take of several, separated by commas, or `all` [default: the host's]
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    arch: Vec<String>,
    /// The image's name in the layout [default: the reference in full]
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let reference = Reference::parse(&arguments.image).map_err(|error| usage(&error))?;
    let destination = Destination::Output(Output::Oci { directory: session.images()?, tag: None });
    let host = Arch::host().into_iter().collect();
    let wanted = Wanted::parse(&arguments.arch, Wanted::Preferred(host))?;
    transfer(session, &Source::Registry(reference), &wanted, &destination, arguments.tag.as_deref())?
        .tell(session);
    Ok(())
}
