//! The accounts that packages ask for, and the files that say who is who.

use std::collections::BTreeSet;

use crate::effects::Effect;
use crate::effects::systemd::sysusers;
use crate::recipe::Recipe;

use super::super::accounts::Home;
use super::super::{Made, MadeFile, RenderError, fixed};
use super::{Brought, Setup, declared, effects_in};

impl<'a> Setup<'a> {
    pub(super) fn make_accounts(&mut self, brought: &Brought<'a>) -> Result<BTreeSet<Home>, RenderError> {
        let mut declared: Vec<Effect> = Vec::new();
        for name in brought.keys() {
            declared.extend(
                self.declarations(name, declared::is_sysusers)
                    .iter()
                    .flat_map(|text| sysusers::effects(text)),
            );
        }
        let effects = self.effects;
        let scripted = brought.keys().flat_map(|name| effects_in(effects, name));
        self.accounts.apply(scripted.chain(&declared))
    }

    /// The account files, where the image is to have them and they differ from those below.
    pub(super) fn make_account_files(&mut self, made: &mut Made) {
        let mut files = self.account_files();
        files.retain(|path, file| !self.is_packages(path) && self.rendered.get(path) != Some(file));
        made.extend(self.keep(files));
    }

    /// The account files, where the image is to have them.
    pub(super) fn account_files(&self) -> Made {
        let defines = |recipe: &&Recipe| !recipe.users.is_empty() || !recipe.groups.is_empty();
        let wanted = self.recipe.skeleton || self.begun.iter().any(defines);
        let mut files = if wanted { self.accounts.files() } else { Made::new() };
        if wanted && self.reads_shadow() {
            let shadow = self.accounts.gid("shadow").unwrap_or(0);
            for (path, text) in self.accounts.shadow() {
                let mut file = MadeFile::file(fixed(path), 0o640, text.into_bytes());
                file.entry.metadata.gid = shadow;
                files.insert(fixed(path), file);
            }
        }
        files
    }

    /// Whether a program of the image looks into `/etc/shadow`.
    fn reads_shadow(&self) -> bool {
        if self.accounts.has_given_shadow() {
            return true;
        }
        let triplet = self.distro.triplet(self.arch).unwrap_or_default();
        let module = format!("/usr/lib/{triplet}/security/pam_unix.so");
        [module.as_str(), "/usr/sbin/unix_chkpwd", "/usr/bin/passwd", "/usr/bin/su", "/usr/bin/chage"]
            .iter()
            .any(|path| self.tree.leads(&fixed(path)))
    }
}
