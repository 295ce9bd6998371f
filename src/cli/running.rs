//! How to run an image, told at the end of a build.

use std::fmt::Write as _;

use rootforge::arch::Arch;
use rootforge::oci::Output;
use rootforge::recipe::Recipe;

use super::place::Destination;

/// The command that runs what was built for some architectures, as a shell takes it; none where there is nothing to run,
/// and for plain files, which no engine takes.
pub(super) fn command(
    recipe: &Recipe,
    archs: &[Arch],
    destination: &Destination,
    name: &str,
) -> Option<String> {
    let image = &recipe.image;
    if image.entrypoint.is_none() && image.cmd.is_none() && recipe.base_image.is_none() {
        return None;
    }
    let (engine, place) = match destination {
        Destination::Output(Output::Dir(_) | Output::Tar(_)) => return None,
        Destination::Output(output) => ("podman", output.place(name)),
        Destination::Registry(reference) => ("docker", reference.to_string()),
    };
    let mut command = format!("{engine} run --rm");
    if let [arch] = archs
        && Arch::host() != Some(*arch)
    {
        let _ = write!(command, " --platform linux/{}", arch.platform().architecture);
        if let Some(variant) = arch.platform().variant {
            let _ = write!(command, "/{variant}");
        }
    }
    for port in &image.expose {
        let protocol = if port.protocol == "tcp" { String::new() } else { format!("/{}", port.protocol) };
        let _ = write!(command, " -p {0}:{0}{protocol}", port.port);
    }
    let _ = write!(command, " {}", quoted(&place));
    Some(command)
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
