//! `rootforge push`: an image into a registry.

use super::Session;
use super::error::Failure;
use super::place::{Destination, Source, Wanted, transfer};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The image: a name in the layout that builds go into, or oci:DIR:NAME, oci-archive:FILE or docker-archive:FILE
    image: String,
    #[arg(help = "Where it goes: docker://HOST/REPOSITORY[:TAG]")]
    destination: String,
    /// Architectures to push, separated by commas [default: all that the image has]
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    arch: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let is_place = ["oci:", "oci-archive:", "docker-archive:", "docker:", "dir:", "tar:"]
        .iter()
        .any(|transport| arguments.image.starts_with(transport));
    let source = if is_place {
        Source::parse(&arguments.image)?
    } else {
        Source::Layout { directory: session.images()?, name: Some(arguments.image.clone()) }
    };
    let destination = Destination::parse(&arguments.destination)?;
    if !matches!(destination, Destination::Registry(_)) {
        return Err(Failure::usage(
            format!("`{}` is no registry", arguments.destination),
            "write docker://HOST/REPOSITORY[:TAG], or use `rootforge copy`",
        ));
    }
    let wanted = Wanted::parse(&arguments.arch, Wanted::All)?;
    transfer(session, &source, &wanted, &destination, None)?.tell(session);
    Ok(())
}
