//! Fetching: hop by hop, each to addresses that were judged.

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION,
};
use reqwest::{Response, Url};

use super::FetchSettings;
use super::guard::{self, Closed, causes};
use super::page::Fetched;

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Text, the beginning of it if it is long.
    Page,
    /// A picture, or nothing.
    Image,
}

/// Fetches a page or a picture; whoever calls limits the time.
pub(super) async fn fetch(
    settings: &FetchSettings,
    written: &str,
    want: Want,
) -> Result<Fetched, String> {
    let mut url = Url::parse(written.trim())
        .map_err(|error| format!("{written:?} is no address: {error}"))?;
    for _ in 0..=settings.redirects_max {
        let response = hop(settings, &url, want)
            .await
            .map_err(|error| format!("{url} was not fetched: {error}"))?;
        let Some(next) = redirected(&response, &url)? else {
            return read(settings, url, response, want).await;
        };
        url = next;
    }
    Err(format!("more than {} redirects; the last one leads to {url}", settings.redirects_max))
}

async fn hop(settings: &FetchSettings, url: &Url, want: Want) -> Result<Response, String> {
    let FetchSettings { policy, lookup, user_agent, .. } = settings;
    let opened = guard::open(policy, lookup.as_ref(), user_agent, url).await;
    let (client, addresses) = opened.map_err(Closed::into_words)?;
    let accept = match want {
        Want::Page => "text/html,text/plain,application/json;q=0.9,*/*;q=0.5",
        Want::Image => "image/*",
    };
    let request =
        client.get(url.clone()).header(ACCEPT, accept).header(ACCEPT_ENCODING, "identity");
    let response = request.send().await.map_err(|error| causes(&error))?;
    // Once more, from the other end.
    let remote = response.remote_addr().map(|remote| remote.ip());
    if remote.is_some_and(|remote| !addresses.contains(&remote)) {
        return Err("the connection went somewhere else".into());
    }
    Ok(response)
}

/// Where a response leads on; nothing if it is the page itself.
fn redirected(response: &Response, url: &Url) -> Result<Option<Url>, String> {
    let leads_on = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = response.headers().get(LOCATION).filter(|_| leads_on) else {
        return Ok(None);
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let next = url.join(&location);
    next.map(Some).map_err(|error| format!("{url} leads to {location:?}: {error}"))
}

async fn read(
    settings: &FetchSettings,
    url: Url,
    mut response: Response,
    want: Want,
) -> Result<Fetched, String> {
    let failed = |error: &str| format!("{url} was not read: {error}");
    let encoding = header(response.headers(), &CONTENT_ENCODING);
    if !matches!(encoding.as_str(), "" | "identity") {
        return Err(failed(&format!(
            "it is packed as {encoding}, although that was not asked for"
        )));
    }
    let content_type = header(response.headers(), &CONTENT_TYPE);
    let status = response.status().as_u16();
    match want {
        Want::Page if !is_text(&content_type) => {
            return Err(failed(&format!("it is {content_type}, and only text can be read")));
        }
        Want::Image if !response.status().is_success() => {
            return Err(failed(&format!("its server answered {status}")));
        }
        Want::Page | Want::Image => {}
    }
    let (mut bytes, mut is_cut) = (Vec::new(), false);
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&causes(&error)))? {
        let room = settings.response_bytes_max - bytes.len();
        is_cut = chunk.len() > room;
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if is_cut {
            break;
        }
    }
    if is_cut && want == Want::Image {
        let most = settings.response_bytes_max;
        return Err(failed(&format!("it has more than {most} bytes")));
    }
    Ok(Fetched { url: url.into(), status, content_type, bytes, is_cut })
}

fn header(headers: &HeaderMap, name: &reqwest::header::HeaderName) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    value.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether people or programs write it to be read.
fn is_text(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let kinds = ["json", "xml", "javascript", "yaml", "x-yaml", "toml", "x-ndjson", "rtf"];
    let is_kind = |kind: &str| {
        let sub = media.strip_prefix("application/");
        sub.is_some_and(|sub| sub == kind || sub.ends_with(&format!("+{kind}")))
    };
    media.is_empty() || media.starts_with("text/") || kinds.into_iter().any(is_kind)
}
