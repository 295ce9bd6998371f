//! Manifests and indexes, by tag or digest (distribution-spec, "Pulling manifests", "Pushing Manifests").

use std::io::Read as _;

use reqwest::blocking::{Body, Response};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};

use super::authorization::Scope;
use super::{Call, Fault, Item, Registry, RegistryError, chain, refused};
use crate::digest::Digest;
use crate::transport::Failure;

/// The media types of image indexes, OCI's and Docker's.
pub const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
/// The media types of manifests of one image, OCI's and Docker's.
pub const MANIFEST_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/// A longer one is refused, as registries do with 4 MiB.
const MAX_MANIFEST: u64 = 16 << 20;
/// What a registry says the digest of its answer is.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A manifest or an index as a registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// One of [`INDEX_TYPES`] or [`MANIFEST_TYPES`].
    pub media_type: String,
    /// Of the bytes.
    pub digest: Digest,
    /// As they came: digests are of these.
    pub bytes: Vec<u8>,
}

impl Registry {
    /// The manifest or index of a tag or digest. Where it is asked for by digest, its bytes are compared with that.
    pub fn manifest(&self, repository: &str, version: &str) -> Result<Manifest, RegistryError> {
        let result = self.persist(|| {
            let response =
                self.read(self.manifest_call(Method::GET, repository, version, &Scope::pull(repository))?)?;
            if !response.status().is_success() {
                return Err(Failure::Final(refused(response)));
            }
            received(response, version)
        });
        result.map_err(|fault| self.error(repository, Some(Item::Manifest(version.to_owned())), fault))
    }

    /// The digest that a tag stands for, if there is one and the registry says it without sending the manifest.
    pub fn manifest_digest(&self, repository: &str, version: &str) -> Result<Option<Digest>, RegistryError> {
        // Asked with the right to push: it is asked before that.
        let scope = Scope::push(repository);
        let result = self.persist(|| {
            let response = self.read(self.manifest_call(Method::HEAD, repository, version, &scope)?)?;
            Ok(if response.status().is_success() { announced(&response) } else { None })
        });
        result.map_err(|fault| self.error(repository, Some(Item::Manifest(version.to_owned())), fault))
    }

    /// Puts a manifest or index under a tag or its digest; all that it names has to be there.
    pub fn put_manifest(
        &self,
        repository: &str,
        version: &str,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        let scope = Scope::push(repository);
        let body = || Ok((Body::from(manifest.bytes.clone()), manifest.bytes.len() as u64));
        let result = self.persist(|| {
            let mut call = self.manifest_call(Method::PUT, repository, version, &scope)?;
            call.headers = HeaderMap::new();
            let media_type = HeaderValue::from_str(&manifest.media_type);
            call.headers.extend(media_type.ok().map(|value| (CONTENT_TYPE, value)));
            call.body = Some(&body);
            let response = self.send(&call)?;
            if response.status() != StatusCode::CREATED && response.status() != StatusCode::OK {
                return Err(Failure::Final(refused(response)));
            }
            match announced(&response).filter(|found| *found != manifest.digest) {
                Some(found) => Err(Failure::Final(Fault::Digest { expected: manifest.digest, found })),
                None => Ok(()),
            }
        });
        result.map_err(|fault| self.error(repository, Some(Item::Manifest(version.to_owned())), fault))
    }

    fn manifest_call<'a>(
        &self,
        method: Method,
        repository: &str,
        version: &str,
        scope: &'a Scope,
    ) -> Result<Call<'a>, Failure<Fault>> {
        let url = self.url(&format!("{repository}/manifests/{version}")).map_err(Failure::Final)?;
        let mut call = Call::new(method, url, scope);
        let types = INDEX_TYPES.iter().chain(&MANIFEST_TYPES);
        call.headers.extend(types.map(|media_type| (ACCEPT, HeaderValue::from_static(media_type))));
        Ok(call)
    }
}

fn announced(response: &Response) -> Option<Digest> {
    Digest::parse(response.headers().get(CONTENT_DIGEST)?.to_str().ok()?).ok()
}

fn received(response: Response, version: &str) -> Result<Manifest, Failure<Fault>> {
    let expected = if version.contains(':') { Digest::parse(version).ok() } else { announced(&response) };
    let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let header = header.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_owned();
    let length = response.content_length();
    let mut bytes = Vec::new();
    response
        .take(MAX_MANIFEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::passing(Fault::Network(chain(&error))))?;
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(Failure::Final(Fault::TooLarge(MAX_MANIFEST)));
    }
    if let Some(expected) = length.filter(|length| *length != bytes.len() as u64) {
        return Err(Failure::passing(Fault::Size { expected, found: bytes.len() as u64 }));
    }
    let digest = Digest::of(&bytes);
    if let Some(expected) = expected.filter(|expected| *expected != digest) {
        return Err(Failure::Final(Fault::Digest { expected, found: digest }));
    }
    let document: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Final(Fault::Answer(format!("it is no JSON: {error}"))))?;
    let media_type = document["mediaType"].as_str().map_or(header, str::to_owned);
    if !INDEX_TYPES.contains(&&*media_type) && !MANIFEST_TYPES.contains(&&*media_type) {
        let media_type = super::error::words(&media_type);
        return Err(Failure::Final(Fault::Answer(format!("`{media_type}` is no image's media type"))));
    }
    Ok(Manifest { media_type, digest, bytes })
}
