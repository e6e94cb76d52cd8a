//! The serialized forms of changes of base URLs.

use serde_json::{from_value, json};
use tower_canary::routing::{Change, Instances, UrlChange};

use crate::serde::{has_form, refusal};
use crate::support::*;

#[test]
fn url_changes_have_the_documented_forms() {
    let two = Instances::new(vec!["http://a".parse().unwrap(), "http://b".parse().unwrap()]).unwrap();
    let urls = json!(["http://a", "http://b"]);
    let update = |field: &str| {
        let mut form = json!({"kind": "update", "version": "v1", "active": false, "force": false});
        form[field] = urls.clone();
        form
    };
    let forms = [
        (
            Change::Register(registration(1).with_instances(two.clone())),
            json!({"kind": "register", "version": "v1", "urls": urls, "active": true}),
        ),
        (Change::set_urls(name(1), two.clone()), json!({"kind": "set-urls", "version": "v1", "urls": urls})),
        (Change::add_urls(name(1), two.clone()), json!({"kind": "add-urls", "version": "v1", "urls": urls})),
        (
            Change::remove_urls(name(1), two.clone()),
            json!({"kind": "remove-urls", "version": "v1", "urls": urls}),
        ),
        (Change::update_urls(name(1), UrlChange::Set(two.clone()), false), update("urls")),
        (Change::update_urls(name(1), UrlChange::Add(two.clone()), false), update("addUrls")),
        (Change::update_urls(name(1), UrlChange::Remove(two), false), update("removeUrls")),
    ];
    for (change, form) in forms {
        assert_eq!(form["kind"], change.kind());
        has_form(&change, form);
    }
}

// A release that knew one URL of a version.
#[test]
fn url_change_of_an_earlier_release_is_read() {
    let form = json!({"kind": "set-url", "version": "v1", "url": "http://h"});
    let read: Change = from_value(form).unwrap();
    assert_eq!(read, Change::set_url(name(1), "http://h".parse().unwrap()));
}

#[test]
fn urls_are_given_in_one_field() {
    let url = json!("http://a");
    let urls = json!(["http://b"]);
    for (form, words) in [
        (json!({"kind": "register", "version": "v1", "url": url, "urls": urls}), "either 'url' or 'urls'"),
        (json!({"kind": "register", "version": "v1"}), "missing field `url`"),
        (json!({"kind": "register", "version": "v1", "urls": []}), "name at least one"),
        (json!({"kind": "update", "version": "v1", "active": true}), "missing field `url`"),
        (
            json!({"kind": "update", "version": "v1", "active": true, "url": url, "addUrls": urls}),
            "only one of 'url', 'urls', 'addUrls' and 'removeUrls'",
        ),
        (
            json!({"kind": "update", "version": "v1", "active": true, "addUrls": urls, "removeUrls": urls}),
            "only one of 'url', 'urls', 'addUrls' and 'removeUrls'",
        ),
        (json!({"kind": "add-urls", "version": "v1", "url": url}), "unknown field `url`"),
        (json!({"kind": "remove-urls", "version": "v1"}), "missing field `urls`"),
    ] {
        let refused = refusal::<Change>(form);
        assert!(refused.contains(words), "{refused}");
    }
}
