//! Providers: the services that offer models.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ProviderCategory, ProviderId, ProviderType, Timestamp, de};

/// A service that offers models. Its keys are never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provider {
    /// The id.
    #[schema(required)]
    pub id: Option<ProviderId>,
    /// The name: the part of a handle before the slash.
    pub name: String,
    /// The kind of service.
    pub provider_type: ProviderType,
    /// Whose it is.
    pub provider_category: ProviderCategory,
    /// Always null.
    #[schema(deprecated)]
    pub api_key: Option<String>,
    /// The base URL.
    pub base_url: Option<String>,
    /// Always null.
    #[schema(deprecated)]
    pub access_key: Option<String>,
    /// The region: Bedrock.
    pub region: Option<String>,
    /// The version of the API: Azure.
    pub api_version: Option<String>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// When its models were last listed.
    pub last_synced: Option<Timestamp>,
    /// Always null.
    pub api_key_enc: Option<String>,
    /// Always null.
    pub access_key_enc: Option<String>,
}

/// Declares a request with keys: what it prints for debugging leaves them out.
macro_rules! keyed {
    ($($(#[$doc:meta])* $name:ident shows ($($shown:ident),*) {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty,)*
    })*) => {$(
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        $(#[$doc])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $ty,)*
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        }
    )*};
}

keyed! {
    /// A provider to be added with a key of one's own.
    #[serde(deny_unknown_fields)]
    ProviderCreate shows (name, provider_type, base_url) {
        /// The name: the part of a handle before the slash.
        name: String,
        /// The kind of service.
        #[serde(deserialize_with = "de::known")]
        provider_type: ProviderType,
        /// The key.
        api_key: String,
        /// The access key: Bedrock.
        access_key: Option<String>,
        /// The region: Bedrock.
        region: Option<String>,
        /// The base URL; null for the service's own.
        base_url: Option<String>,
        /// The version of the API: Azure.
        api_version: Option<String>,
    }

    /// Changes to a provider. Null changes nothing.
    #[serde(deny_unknown_fields)]
    ProviderUpdate shows (base_url) {
        /// The key.
        api_key: String,
        /// The access key: Bedrock.
        access_key: Option<String>,
        /// The region: Bedrock.
        region: Option<String>,
        /// The base URL.
        base_url: Option<String>,
        /// The version of the API: Azure.
        api_version: Option<String>,
    }

    /// A provider whose key is to be tried.
    ProviderCheck shows (provider_type, base_url) {
        /// The kind of service.
        #[serde(deserialize_with = "de::known")]
        provider_type: ProviderType,
        /// The key.
        api_key: String,
        /// The access key: Bedrock.
        access_key: Option<String>,
        /// The region: Bedrock.
        region: Option<String>,
        /// The base URL; null for the service's own.
        base_url: Option<String>,
        /// The version of the API: Azure.
        api_version: Option<String>,
    }
}
