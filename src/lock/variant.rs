//! The lock of a variant follows that of its recipe: what both have is of one version, so that the layers they
//! share are the same to the byte.

use crate::arch::Arch;

use super::Lock;

impl Lock {
    /// The first package that a variant's lock has otherwise than the recipe's own, in words.
    pub fn strays_from(&self, main: &Lock, archs: &[Arch]) -> Option<String> {
        archs.iter().find_map(|arch| {
            let own = self.packages_of(*arch);
            main.packages_of(*arch).into_iter().find_map(|(name, theirs)| {
                let own = own.get(name).filter(|own| own.content != theirs.content)?;
                Some(format!("it has {}, and the recipe's lock {} for {arch}", own.label(), theirs.version))
            })
        })
    }

    /// What a variant's lock is to be made again from: what the recipe's own lock has, and beside it what only
    /// the variant's last one had. It fits no request as it is.
    pub fn led_by(old: Option<&Lock>, main: &Lock) -> Lock {
        let mut led = main.clone();
        for package in old.iter().flat_map(|old| &old.packages) {
            if main.package(package.arch, &package.name).is_none() {
                led.packages.push(package.clone());
            }
        }
        let known = |led: &Lock, arch| led.repositories.iter().any(|repository| repository.arch == arch);
        for repository in old.iter().flat_map(|old| &old.repositories) {
            if !known(main, repository.arch) {
                led.repositories.push(repository.clone());
            }
        }
        led.sort();
        led
    }
}
