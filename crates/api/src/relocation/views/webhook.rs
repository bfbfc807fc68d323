//! A webhook, and what it is told.

use godwit_core::time::Timestamp;
use godwit_core::webhook::DeliveryState;
use godwit_store::{Delivery, Webhook};
use serde::Serialize;
use uuid::Uuid;

use super::requester::RequesterView;
use crate::relocation::visibility::Visibility;

/// The fields of a webhook, in their order.
pub const FIELDS: &[&str] = &["id", "url", "types", "project", "actor", "created_at"];

/// The fields of a delivery, in their order.
pub const DELIVERY_FIELDS: &[&str] = &[
    "id",
    "webhook_id",
    "type",
    "subject",
    "position",
    "state",
    "attempts",
    "next_attempt_at",
    "give_up_at",
    "status",
    "error",
    "created_at",
    "ended_at",
];

#[derive(Clone, Debug, Serialize)]
pub struct WebhookView<'a> {
    id: Uuid,
    url: &'a str,
    types: &'a [String],
    project: &'a str,
    /// Who made it.
    actor: RequesterView<'a>,
    created_at: Timestamp,
    /// Only where it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

impl<'a> WebhookView<'a> {
    pub fn new(webhook: &'a Webhook, sees: Visibility<'_>) -> Self {
        Self {
            id: webhook.uuid,
            url: &webhook.url,
            types: &webhook.types,
            project: &webhook.project_id,
            actor: RequesterView::of(
                webhook.user_id.as_deref(),
                Some(&webhook.project_id),
                webhook.request_id.as_deref(),
                sees,
            ),
            created_at: webhook.created_at,
            secret: None,
        }
    }

    pub fn with_secret(self, secret: &'a str) -> Self {
        Self {
            secret: Some(secret),
            ..self
        }
    }
}

#[derive(Debug, Serialize)]
pub struct DeliveryView<'a> {
    id: Uuid,
    /// The header `webhook-id` of its calls.
    webhook_id: String,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    position: String,
    state: DeliveryState,
    attempts: i64,
    next_attempt_at: Option<Timestamp>,
    give_up_at: Timestamp,
    /// What the last call was answered.
    status: Option<i64>,
    error: Option<&'a str>,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl<'a> DeliveryView<'a> {
    pub fn new(delivery: &'a Delivery) -> Self {
        let is_pending = delivery.state == DeliveryState::Pending;
        Self {
            id: delivery.uuid,
            webhook_id: format!("evt_{}", delivery.position),
            kind: &delivery.event_type,
            subject: &delivery.subject,
            position: delivery.position.to_string(),
            state: delivery.state,
            attempts: delivery.attempts,
            next_attempt_at: is_pending.then_some(delivery.not_before),
            give_up_at: delivery.give_up_at,
            status: delivery.status,
            error: delivery.error.as_deref(),
            created_at: delivery.created_at,
            ended_at: delivery.ended_at,
        }
    }
}
