//! Types of the host from structs.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, LitStr, Visibility};

use crate::convert::FieldOptions;

/// What attributes say of the type.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option as it is written")]
struct TypeOptions {
    name: Option<String>,
    key: Option<String>,
    methods: bool,
    display: bool,
    eq: bool,
    ord: bool,
}

impl TypeOptions {
    fn read(input: &DeriveInput) -> Result<Self, Error> {
        let mut options = Self::default();
        for attribute in input
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("aether"))
        {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    options.name = Some(meta.value()?.parse::<LitStr>()?.value());
                } else if meta.path.is_ident("key") {
                    options.key = Some(meta.value()?.parse::<LitStr>()?.value());
                } else if meta.path.is_ident("methods") {
                    options.methods = true;
                } else if meta.path.is_ident("display") {
                    options.display = true;
                } else if meta.path.is_ident("eq") {
                    options.eq = true;
                } else if meta.path.is_ident("ord") {
                    options.ord = true;
                } else {
                    return Err(
                        meta.error("unknown option: name, key, methods, display, eq and ord are known")
                    );
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

pub(crate) fn aether_type(input: &DeriveInput) -> Result<TokenStream, Error> {
    let ident = &input.ident;
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "a type of the host has no parameters: derive it for a type that names what it holds",
        ));
    }
    let options = TypeOptions::read(input)?;
    let mut calls = TokenStream::new();
    if let Data::Struct(data) = &input.data {
        for field in &data.fields {
            let field_options = FieldOptions::read(&field.attrs)?;
            let Some(name) = &field.ident else { continue };
            if field_options.skip || !matches!(field.vis, Visibility::Public(_)) {
                continue;
            }
            let (shown, kind) = (field_options.name(name), &field.ty);
            calls.extend(quote! {
                builder.getter(#shown, |this: &Self| ::core::clone::Clone::clone(&this.#name));
            });
            if !field_options.readonly {
                calls.extend(quote! {
                    builder.setter(#shown, |this: &mut Self, value: #kind| this.#name = value);
                });
            }
        }
    }
    if options.display {
        calls.extend(quote!(builder.display(|this| ::std::string::ToString::to_string(this));));
    }
    if options.eq {
        calls.extend(quote!(builder.equals(|left, right| left == right);));
    }
    if options.ord {
        calls.extend(quote!(builder.order(|left, right| ::core::cmp::PartialOrd::partial_cmp(left, right));));
    }
    if let Some(key) = options.key {
        let key = format_ident!("{key}");
        calls.extend(quote!(builder.key(|this| ::core::clone::Clone::clone(&this.#key));));
    }
    if options.methods {
        calls.extend(quote!(Self::__aether_methods(builder);));
    }
    let name = options.name.unwrap_or_else(|| ident.to_string());
    Ok(quote! {
        #[automatically_derived]
        impl ::aether::AetherType for #ident {
            const NAME: &'static str = #name;

            fn describe(builder: &mut ::aether::TypeBuilder<Self>) {
                #calls
                let _ = builder;
            }
        }
    })
}
