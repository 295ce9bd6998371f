//! What one plan keeps for the next: what was found of each image, under all that it follows from.
//!
//! What is kept of an image on a base that was planned is what comes of locking it there once: like a lock that is
//! written, it stays as it is though the archive moves on.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::digest::Digest;
use crate::fleet::PulledLayer;
use crate::lock::Lock;
use crate::recipe::Recipe;

use super::super::inputs::digest;
use super::super::{Forge, ForgeError};
use super::census::Census;
use super::survey::{Paths, Survey};

/// The kinds of derived entries. The program is part of their keys, except for that of paths.
const SURVEYS: &str = "survey-1";
const PATHS: &str = "paths-1";
const DRAFTS: &str = "draft-2";
const PLACED: &str = "placed-1";

/// A base that was locked and measured before.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptDraft {
    /// Its lock, without that of the base below.
    #[serde(with = "as_json")]
    pub(super) lock: Lock,
    /// What tells the lock from others.
    pub(super) fingerprint: Digest,
    /// All its layers, lowest first.
    pub(super) layers: Vec<PulledLayer>,
}

/// An image on its base.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Placed {
    /// All its layers, lowest first.
    pub(super) layers: Vec<PulledLayer>,
    /// How many layers its own files are to be spread over at most, if they are.
    pub(super) budget: Option<usize>,
}

/// A lock as JSON: what is left out of its file is not told apart in binary forms.
mod as_json {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::lock::Lock;

    pub(super) fn serialize<S: Serializer>(lock: &Lock, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(lock).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lock, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Forge<'_> {
    /// Looks into an image, unless that was done before; `locks` are the digests of its lock and those of its bases. With
    /// what is found now come the paths of each package.
    pub(super) fn surveyed(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        locks: &[Digest],
        arch: Arch,
    ) -> Result<(Survey, Option<Paths>), ForgeError> {
        let key = self.inputs_key(recipe, locks, arch, &());
        if let Some(survey) = self.known::<Survey>(SURVEYS, key) {
            return Ok((survey, None));
        }
        self.progress.stage(&format!("looking into {} for {arch}", recipe.name));
        let (survey, paths) = self.survey(recipe, lock, arch)?;
        self.keep_for_plans(SURVEYS, key, &survey);
        Ok((survey, Some(paths)))
    }

    /// Tells the census the packages of an image that it does not know, whose paths are given or kept; if they are
    /// neither, the image is looked into again.
    pub(super) fn note_packages(
        &self,
        census: &mut Census,
        survey: &Survey,
        paths: Option<Paths>,
        again: impl Fn() -> Result<Paths, ForgeError>,
    ) -> Result<(), ForgeError> {
        let mut paths = paths.map(|paths| paths.into_iter().map(Some).collect::<Vec<_>>());
        for (place, package) in survey.packages.iter().enumerate() {
            if census.knows(package) {
                continue;
            }
            let key = digest(&package.content);
            if let Some(kept) = self.known(PATHS, key) {
                census.note(package, kept);
                continue;
            }
            if paths.is_none() {
                paths = Some(again()?.into_iter().map(Some).collect());
            }
            let found = paths.as_mut().and_then(|paths| paths.get_mut(place)?.take()).unwrap_or_default();
            self.keep_for_plans(PATHS, key, &found);
            census.note(package, found);
        }
        Ok(())
    }

    /// A base: `locks` are the digests of those that its own follows from.
    pub(super) fn drafted(
        &self,
        recipe: &Recipe,
        locks: &[Digest],
        arch: Arch,
        make: impl FnOnce() -> Result<KeptDraft, ForgeError>,
    ) -> Result<KeptDraft, ForgeError> {
        self.once(DRAFTS, self.inputs_key(recipe, locks, arch, &()), make)
    }

    /// An image on a base: `locks` are the digests of those that its own follows from there, `most` the layers that it may have.
    pub(super) fn placed(
        &self,
        recipe: &Recipe,
        locks: &[Digest],
        arch: Arch,
        most: usize,
        make: impl FnOnce() -> Result<Placed, ForgeError>,
    ) -> Result<Placed, ForgeError> {
        self.once(PLACED, self.inputs_key(recipe, locks, arch, &most), make)
    }

    fn once<T: Serialize + DeserializeOwned>(
        &self,
        kind: &str,
        key: Option<Digest>,
        make: impl FnOnce() -> Result<T, ForgeError>,
    ) -> Result<T, ForgeError> {
        if let Some(kept) = self.known(kind, key) {
            return Ok(kept);
        }
        let made = make()?;
        self.keep_for_plans(kind, key, &made);
        Ok(made)
    }

    fn known<T: DeserializeOwned>(&self, kind: &str, key: Option<Digest>) -> Option<T> {
        postcard::from_bytes(&self.cache.derived(kind, &key?)?).ok()
    }

    /// Failing to is not an error: it is found again.
    fn keep_for_plans(&self, kind: &str, key: Option<Digest>, value: &impl Serialize) {
        if let (Some(key), Ok(bytes)) = (key, postcard::to_stdvec(value)) {
            let _ = self.cache.put_derived(kind, &key, &bytes);
        }
    }
}
