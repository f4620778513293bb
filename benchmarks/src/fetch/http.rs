//! One request to a server: a file from some byte onwards, and what the answer means for the next step.

use nemesis_core::Error;
use nemesis_core::error::Kind;
use std::io::Read;
use std::time::Duration;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body};

/// A server that sends nothing for this long is considered gone.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(20);

/// What follows from an answer that is not the file.
#[derive(Debug)]
pub(super) enum Failure {
    /// It will be the same next time: try another source.
    Lasting(Error),
    /// It may be better next time.
    Passing(Error),
    /// The partial download does not match what the server has now: begin at the first byte.
    StartOver,
}

/// A file, or the rest of one.
pub(super) struct Answer {
    /// The offset of the first byte in the file.
    pub(super) start: u64,
    /// The whole file's length, if the server gives it.
    pub(super) total: Option<u64>,
    /// What the server recognises the same version of the file by.
    pub(super) validator: Option<String>,
    /// The bytes.
    pub(super) body: Box<dyn Read>,
}

/// A client that takes proxies from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
#[derive(Debug)]
pub(super) struct Client(Agent);

impl Client {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .user_agent(concat!("nemesis/", env!("CARGO_PKG_VERSION")));
        Self(config.build().new_agent())
    }

    /// Requests a file from byte `start` onwards, if it is still the version that `validator` stands for.
    pub(super) fn get(&self, url: &str, start: u64, validator: Option<&str>) -> Result<Answer, Failure> {
        let mut request = self.0.get(url);
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
            if let Some(validator) = validator {
                request = request.header("If-Range", validator);
            }
        }
        let response = request.call().map_err(|error| of_transport(&error, url))?;
        let headers = response.headers();
        let validator = validator_of(headers);
        let (from, total) = match response.status() {
            StatusCode::OK => (0, response.body().content_length()),
            StatusCode::PARTIAL_CONTENT => match content_range(headers) {
                Some((from, total)) if from == start => (from, total),
                _ => return Err(Failure::StartOver),
            },
            StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => return Err(Failure::StartOver),
            status => return Err(of_status(status, url)),
        };
        if is_page(&response) {
            return Err(Failure::Lasting(
                Error::new(format!("{url} sent a web page instead of the file"))
                    .help("it may require a person to sign in or accept terms"),
            ));
        }
        Ok(Answer { start: from, total, validator, body: Box::new(response.into_body().into_reader()) })
    }
}

fn is_page(response: &Response<Body>) -> bool {
    response.body().mime_type().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
}

/// `If-Range` takes only strong validators: an `ETag` that is not weak, else the date of the last change.
fn validator_of(headers: &HeaderMap) -> Option<String> {
    let text = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
    text("etag").filter(|tag| !tag.starts_with("W/")).or_else(|| text("last-modified"))
}

/// `bytes 100-199/200` as 100 and 200.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = headers.get("content-range")?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = range.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

fn of_status(status: StatusCode, url: &str) -> Failure {
    let error = Error::new(format!("{url} answers {status}"));
    let passing = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT);
    if passing {
        Failure::Passing(error.help("try again later; the partial download is kept"))
    } else {
        let is_missing = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
        Failure::Lasting(if is_missing { error.of_kind(Kind::NotFound) } else { error })
    }
}

fn of_transport(error: &ureq::Error, url: &str) -> Failure {
    use ureq::Error::{Io, Protocol, Timeout};
    // `io: ` before the system's message means nothing to a user.
    let reason = if let Io(error) = error { error.to_string() } else { error.to_string() };
    let what = Error::new(format!("cannot reach {url}: {reason}"))
        .help("behind a proxy, set HTTPS_PROXY; with a copy of the files at hand, give its folder with --from");
    match error {
        Io(_) | Protocol(_) | Timeout(_) => Failure::Passing(what),
        _ => Failure::Lasting(what),
    }
}
