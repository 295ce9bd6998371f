//! Being let in: with a password at every request, or with a token that another server gives for one scope.
//!
//! Follows distribution's "Token Authentication Specification" and "Oauth2 Token Authentication" (for identity
//! tokens), RFC 7617 and RFC 6750. A registry is first asked without anything, and what it then asks for is done, and
//! from then on without being asked.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::{Fault, Registry, chain, error_words, may_pass};
use crate::transport::Failure;

/// A token server's answer that is longer is none.
const MAX_ANSWER: u64 = 1 << 20;
/// Named where a token server wants to know which program asks.
const CLIENT_ID: &str = "rootforge";

/// What is known of how to be let in.
#[derive(Debug, Default)]
pub(super) struct Authorization {
    challenge: Option<Challenge>,
    credentials: BTreeMap<String, Option<Credentials>>,
    tokens: BTreeMap<Vec<String>, HeaderValue>,
}

/// What a request needs the right to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    repository: String,
    is_push: bool,
    /// Another repository, to mount a blob from.
    from: Option<String>,
}

impl Scope {
    pub(super) fn pull(repository: &str) -> Self {
        Scope { repository: repository.to_owned(), is_push: false, from: None }
    }

    pub(super) fn push(repository: &str) -> Self {
        Scope { is_push: true, ..Scope::pull(repository) }
    }

    pub(super) fn mount(repository: &str, from: &str) -> Self {
        Scope { from: Some(from.to_owned()), ..Scope::push(repository) }
    }

    fn texts(&self) -> Vec<String> {
        let actions = if self.is_push { "pull,push" } else { "pull" };
        let own = format!("repository:{}:{actions}", self.repository);
        let from = self.from.iter().map(|from| format!("repository:{from}:pull"));
        std::iter::once(own).chain(from).collect()
    }
}

impl Registry {
    fn state(&self) -> MutexGuard<'_, Authorization> {
        // A thread that panics takes the program down with it.
        self.inner.authorization.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The header for a scope, as far as it is known what the registry wants.
    pub(super) fn authorization(&self, scope: &Scope) -> Result<Option<HeaderValue>, Failure<Fault>> {
        let mut state = self.state();
        if state.challenge.is_none() { Ok(None) } else { self.header(&mut state, scope) }
    }

    /// The header for a scope after the registry has refused another, or none. None where there is nothing better.
    pub(super) fn challenged(
        &self,
        scope: &Scope,
        challenge: Option<Challenge>,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Failure<Fault>> {
        let Some(challenge) = challenge else { return Ok(None) };
        let mut state = self.state();
        if state.challenge.as_ref() != Some(&challenge) {
            state.challenge = Some(challenge);
            state.tokens.clear();
        }
        let texts = scope.texts();
        // Another thread may have got a new one meanwhile.
        if state.tokens.get(&texts) == refused {
            state.tokens.remove(&texts);
        }
        Ok(self.header(&mut state, scope)?.filter(|header| Some(header) != refused))
    }

    /// Whether somebody is logged in, as far as it was looked for.
    pub(super) fn is_known(&self, scope: &Scope) -> bool {
        self.state().credentials.get(&scope.repository).is_some_and(Option::is_some)
    }

    /// Holds the lock while a token is fetched, so that others wait for the same one.
    fn header(
        &self,
        state: &mut Authorization,
        scope: &Scope,
    ) -> Result<Option<HeaderValue>, Failure<Fault>> {
        let credentials = if let Some(known) = state.credentials.get(&scope.repository) {
            known.clone()
        } else {
            let found = self.inner.files.find(&self.inner.name, &scope.repository);
            let found = found.map_err(|error| Failure::Final(error.into()))?;
            state.credentials.insert(scope.repository.clone(), found.clone());
            found
        };
        if let Some(Credentials::RegistryToken(token)) = &credentials {
            return bearer(token).map(Some);
        }
        match &state.challenge {
            None => Ok(None),
            Some(Challenge::Basic) => match &credentials {
                Some(Credentials::Password { user, password }) => basic(user, password).map(Some),
                _ => Ok(None),
            },
            Some(Challenge::Bearer { realm, service }) => {
                let texts = scope.texts();
                if let Some(token) = state.tokens.get(&texts) {
                    return Ok(Some(token.clone()));
                }
                let (realm, service) = (realm.clone(), service.clone());
                let token = self.token(&realm, service.as_deref(), &texts, credentials.as_ref())?;
                state.tokens.insert(texts, token.clone());
                Ok(Some(token))
            }
        }
    }

    /// Asks a token server, which may be another host than the registry.
    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scopes: &[String],
        credentials: Option<&Credentials>,
    ) -> Result<HeaderValue, Failure<Fault>> {
        let wrong = |words: String| Failure::Final(Fault::Answer(words));
        let mut url = Url::parse(realm)
            .map_err(|_| wrong(format!("its token server `{}` is no URL", super::error::words(realm))))?;
        self.check_address(&url).map_err(Failure::Final)?;
        let mut fields: Vec<(&str, &str)> = service.map(|service| ("service", service)).into_iter().collect();
        let joined = scopes.join(" ");
        let client = self.client(&url)?;
        let request = if let Some(Credentials::IdentityToken(token)) = credentials {
            fields.extend([("grant_type", "refresh_token"), ("refresh_token", token)]);
            fields.extend([("client_id", CLIENT_ID), ("scope", &joined)]);
            let body = encoded(&url, &fields);
            let form = "application/x-www-form-urlencoded";
            client.request(Method::POST, url.clone()).header(CONTENT_TYPE, form).body(body)
        } else {
            fields.extend(scopes.iter().map(|scope| ("scope", &**scope)));
            url.query_pairs_mut().extend_pairs(&fields);
            let request = client.request(Method::GET, url.clone());
            match credentials {
                Some(Credentials::Password { user, password }) => {
                    request.header(AUTHORIZATION, basic(user, password)?)
                }
                _ => request,
            }
        };
        let response = request.send().map_err(|error| {
            Failure::of_request(Fault::Network(format!("token server: {}", chain(&error))), &error)
        })?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(may_pass(response));
        }
        if !status.is_success() {
            let (known, words) = (credentials.is_some(), error_words(response));
            return Err(Failure::Final(match status {
                StatusCode::FORBIDDEN => Fault::Denied { known, words },
                StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST => Fault::Unauthorized { known, words },
                status => Fault::Status { status, words },
            }));
        }
        let mut body = Vec::new();
        response
            .take(MAX_ANSWER)
            .read_to_end(&mut body)
            .map_err(|error| Failure::passing(Fault::Network(format!("token server: {}", chain(&error)))))?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = ["token", "access_token"].iter().find_map(|name| answer[name].as_str());
        match token.filter(|token| !token.is_empty()) {
            Some(token) => bearer(token),
            None => {
                Err(wrong(format!("the token server {} gave no token", url.host_str().unwrap_or_default())))
            }
        }
    }
}

/// `application/x-www-form-urlencoded`
fn encoded(base: &Url, fields: &[(&str, &str)]) -> String {
    let mut url = base.clone();
    url.set_query(None);
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, Failure<Fault>> {
    secret(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn bearer(token: &str) -> Result<HeaderValue, Failure<Fault>> {
    secret(&format!("Bearer {token}"))
}

fn secret(text: &str) -> Result<HeaderValue, Failure<Fault>> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Failure::Final(Fault::Answer("a token holds what no header can".to_owned())))?;
    value.set_sensitive(true);
    Ok(value)
}
