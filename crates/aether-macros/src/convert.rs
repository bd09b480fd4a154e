//! Conversions of structs and enums.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Data, DeriveInput, Error, Fields, LitStr};

/// What attributes say of a field or variant.
#[derive(Default)]
pub(crate) struct FieldOptions {
    pub(crate) rename: Option<String>,
    pub(crate) skip: bool,
    pub(crate) default: bool,
    pub(crate) readonly: bool,
}

impl FieldOptions {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self, Error> {
        let mut options = Self::default();
        for attribute in attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("aether"))
        {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    options.rename = Some(meta.value()?.parse::<LitStr>()?.value());
                } else if meta.path.is_ident("skip") {
                    options.skip = true;
                } else if meta.path.is_ident("default") {
                    options.default = true;
                } else if meta.path.is_ident("readonly") {
                    options.readonly = true;
                } else {
                    return Err(meta.error("unknown option: rename, skip, default and readonly are known"));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }

    pub(crate) fn name(&self, of: &syn::Ident) -> String {
        let plain = of.to_string();
        let plain = plain.strip_prefix("r#").unwrap_or(&plain);
        self.rename.clone().unwrap_or_else(|| plain.to_owned())
    }
}

/// The parts of an `impl` header, with a bound on each type parameter.
fn header(input: &DeriveInput, bound: &TokenStream) -> (TokenStream, TokenStream, TokenStream) {
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(syn::parse_quote!(#bound));
    }
    let (for_impl, _, condition) = generics.split_for_impl();
    let (_, for_type, _) = input.generics.split_for_impl();
    (quote!(#for_impl), quote!(#for_type), quote!(#condition))
}

/// Inserts the fields, which are bound to names, into `dict`.
fn insert_fields(fields: &Fields) -> Result<TokenStream, Error> {
    let mut inserts = TokenStream::new();
    for field in fields {
        let options = FieldOptions::read(&field.attrs)?;
        if options.skip {
            continue;
        }
        let Some(ident) = &field.ident else { continue };
        let name = options.name(ident);
        inserts.extend(quote! {
            let value = ::aether::IntoValue::into_value(#ident, heap)
                .map_err(|error| error.in_field(#name))?;
            dict.insert(::aether::Value::String(heap.intern(#name)?), value)?;
        });
    }
    Ok(quote! {
        let dict = heap.dict()?;
        #inserts
        ::aether::Value::Dict(dict)
    })
}

/// The value of what a variant or struct holds, whose fields are bound to their names or to `field0` and so on.
fn content(fields: &Fields) -> Result<TokenStream, Error> {
    Ok(match fields {
        Fields::Unit => quote!(::aether::Value::Null),
        Fields::Named(_) => insert_fields(fields)?,
        Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
            quote!(::aether::IntoValue::into_value(field0, heap)?)
        }
        Fields::Unnamed(unnamed) => {
            let names = (0..unnamed.unnamed.len()).map(|at| format_ident!("field{at}"));
            quote!(::aether::IntoValue::into_value((#(#names,)*), heap)?)
        }
    })
}

/// The pattern that binds the fields.
fn pattern(path: &TokenStream, fields: &Fields) -> Result<TokenStream, Error> {
    Ok(match fields {
        Fields::Unit => quote!(#path),
        Fields::Named(_) => {
            let mut names = Vec::new();
            for field in fields {
                if !FieldOptions::read(&field.attrs)?.skip {
                    names.extend(field.ident.clone());
                }
            }
            quote!(#path { #(#names,)* .. })
        }
        Fields::Unnamed(unnamed) => {
            let names = (0..unnamed.unnamed.len()).map(|at| format_ident!("field{at}"));
            quote!(#path(#(#names),*))
        }
    })
}

pub(crate) fn into_value(input: &DeriveInput) -> Result<TokenStream, Error> {
    let name = &input.ident;
    let (for_impl, for_type, condition) = header(input, &quote!(::aether::IntoValue));
    let body = match &input.data {
        Data::Struct(data) => {
            let (pattern, content) = (pattern(&quote!(Self), &data.fields)?, content(&data.fields)?);
            quote! {
                let #pattern = self;
                Ok({ #content })
            }
        }
        Data::Enum(data) => {
            let mut arms = TokenStream::new();
            for variant in &data.variants {
                let ident = &variant.ident;
                let shown = FieldOptions::read(&variant.attrs)?.name(ident);
                let pattern = pattern(&quote!(Self::#ident), &variant.fields)?;
                let value = if matches!(variant.fields, Fields::Unit) {
                    quote!(::aether::Value::String(heap.intern(#shown)?))
                } else {
                    let content = content(&variant.fields)?;
                    quote! {
                        let content = { #content };
                        let outer = heap.dict()?;
                        outer.insert(::aether::Value::String(heap.intern(#shown)?), content)?;
                        ::aether::Value::Dict(outer)
                    }
                };
                arms.extend(quote!(#pattern => { #value }));
            }
            quote!(Ok(match self { #arms }))
        }
        Data::Union(_) => {
            return Err(Error::new_spanned(name, "a union cannot be converted"));
        }
    };
    Ok(quote! {
        #[automatically_derived]
        impl #for_impl ::aether::IntoValue for #name #for_type #condition {
            fn into_value(self, heap: &::aether::Heap) -> ::core::result::Result<::aether::Value, ::aether::Error> {
                #body
            }
        }
    })
}

/// The struct or variant at `path` from the value `content`.
fn construct(path: &TokenStream, fields: &Fields) -> Result<TokenStream, Error> {
    Ok(match fields {
        Fields::Unit => quote!({
            <() as ::aether::FromValue>::from_value(content)?;
            #path
        }),
        Fields::Named(_) => {
            let mut parts = TokenStream::new();
            for field in fields {
                let options = FieldOptions::read(&field.attrs)?;
                let Some(ident) = &field.ident else { continue };
                let name = options.name(ident);
                parts.extend(if options.skip {
                    quote!(#ident: ::core::default::Default::default(),)
                } else if options.default {
                    quote! {
                        #ident: match ::aether::field_of(content, #name)? {
                            ::core::option::Option::Some(value) => ::aether::FromValue::from_value(&value)
                                .map_err(|error: ::aether::Error| error.in_field(#name))?,
                            ::core::option::Option::None => ::core::default::Default::default(),
                        },
                    }
                } else {
                    quote! {
                        #ident: ::aether::FromValue::from_value(
                            &::aether::field_of(content, #name)?.unwrap_or(::aether::Value::Null),
                        )
                        .map_err(|error: ::aether::Error| error.in_field(#name))?,
                    }
                });
            }
            quote!(#path { #parts })
        }
        Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
            quote!(#path(::aether::FromValue::from_value(content)?))
        }
        Fields::Unnamed(unnamed) => {
            let names: Vec<_> = (0..unnamed.unnamed.len())
                .map(|at| format_ident!("field{at}"))
                .collect();
            quote!({
                let (#(#names,)*) = ::aether::FromValue::from_value(content)?;
                #path(#(#names),*)
            })
        }
    })
}

pub(crate) fn from_value(input: &DeriveInput) -> Result<TokenStream, Error> {
    let name = &input.ident;
    let (for_impl, for_type, condition) = header(input, &quote!(::aether::FromValue));
    let body = match &input.data {
        Data::Struct(data) => {
            let value = construct(&quote!(Self), &data.fields)?;
            quote! {
                let content = value;
                Ok(#value)
            }
        }
        Data::Enum(data) => {
            let mut arms = TokenStream::new();
            let mut known = Vec::new();
            for variant in &data.variants {
                let ident = &variant.ident;
                let shown = FieldOptions::read(&variant.attrs)?.name(ident);
                let value = construct(&quote!(Self::#ident), &variant.fields)?;
                arms.extend(quote!(#shown => {
                    let convert = || -> ::core::result::Result<Self, ::aether::Error> { Ok(#value) };
                    convert().map_err(|error| if content.is_null() { error } else { error.in_field(#shown) })
                }));
                known.push(shown);
            }
            let expected = format!("one of {}", known.join(", "));
            quote! {
                let (variant, content) = ::aether::variant_of(value, #expected)?;
                let content = &content;
                match &*variant {
                    #arms
                    _ => Err(::aether::ConversionError::new(#expected, ::std::format!("'{variant}'")).into()),
                }
            }
        }
        Data::Union(_) => {
            return Err(Error::new_spanned(name, "a union cannot be converted"));
        }
    };
    Ok(quote! {
        #[automatically_derived]
        impl #for_impl ::aether::FromValue for #name #for_type #condition {
            fn from_value(value: &::aether::Value) -> ::core::result::Result<Self, ::aether::Error> {
                ::aether::nested(|| { #body })
            }
        }
    })
}
