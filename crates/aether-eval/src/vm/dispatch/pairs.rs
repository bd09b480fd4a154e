//! The arms of the dispatch loop: pairs of instructions that run as one.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! pairs {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::Copy2 => {
                let value = *reg!($ip, $base, 2);
                *reg!($ip, $base, 1) = value;
                value.retain();
                let value = *reg!($ip.add(1), $base, 2);
                *reg!($ip.add(1), $base, 1) = value;
                value.retain();
                next!(2)
            }
            Op::PushDrop => push!(true),
            Op::AddIJumpLess => count!(checked_add, +, <, false),
            Op::AddIJumpLessEqual => count!(checked_add, +, <=, false),
            Op::AddIJumpLessI => count!(checked_add, +, <, true),
            Op::AddIJumpLessEqualI => count!(checked_add, +, <=, true),
            Op::SubtractIJumpGreaterI => count!(checked_sub, -, >, true),
            Op::SubtractIJumpGreaterEqualI => count!(checked_sub, -, >=, true),
            Op::AddIGetIndex => offset_index!(wrapping_add, checked_add, +),
            Op::SubtractIGetIndex => offset_index!(wrapping_sub, checked_sub, -),
            Op::RemainderIJumpEqualI => remainder_jump!(i64::from(field!($ip, 3)), true),
            Op::RemainderIJumpNotEqualI => remainder_jump!(i64::from(field!($ip, 3)), false),
            Op::RemainderJumpEqualI => remainder_jump!(int_or_zero!(reg!($ip, $base, 3)), true),
            Op::RemainderJumpNotEqualI => remainder_jump!(int_or_zero!(reg!($ip, $base, 3)), false),
            Op::GetIndexGetIndex => {
                let row = element!(*reg!($ip, $base, 2), reg!($ip, $base, 3));
                if !row.is_null() {
                    let slot = element!(*row, reg!($ip.add(1), $base, 3));
                    if !slot.is_null() {
                        let value = *slot;
                        *reg!($ip.add(1), $base, 1) = value;
                        value.retain();
                        next!(2)
                    }
                }
                get_index_alone!();
            }
            Op::GetIndexStore => nested_store!({
                let value = *reg!($ip.add(1), $base, 3);
                value.retain();
                value
            }),
            Op::GetIndexStoreMove => nested_store!(take!(reg!($ip.add(1), $base, 3))),
            Op::GetIndexStoreI => nested_store!(immediate_of(field!($ip.add(1), 3))),
            Op::GetIndexAdd => {
                let slot = element!(*reg!($ip, $base, 2), reg!($ip, $base, 3));
                if !slot.is_null() {
                    let left = reg!($ip.add(1), $base, 2);
                    let to = reg!($ip.add(1), $base, 1);
                    if (*slot).tag == tag::INT && (*left).tag == tag::INT {
                        if let Some(sum) =
                            ((*left).payload as i64).checked_add((*slot).payload as i64)
                        {
                            set_int!(to, sum, 2);
                        }
                    } else if (*slot).tag == tag::FLOAT && (*left).tag == tag::FLOAT {
                        let sum = f64::from_bits((*left).payload) + f64::from_bits((*slot).payload);
                        set_float!(to, sum, 2);
                    }
                }
                get_index_alone!();
            }
            Op::GetFieldGetIndex => {
                let array = field_slot!(*reg!($ip, $base, 2), $ip);
                if !array.is_null() {
                    let slot = element!(*array, reg!($ip.add(2), $base, 3));
                    if !slot.is_null() {
                        let value = *slot;
                        *reg!($ip.add(2), $base, 1) = value;
                        value.retain();
                        next!(3)
                    }
                }
                get_field_alone!();
            }
            Op::GetFieldGetField => {
                let inner = field_slot!(*reg!($ip, $base, 2), $ip);
                if !inner.is_null() {
                    let slot = field_slot!(*inner, $ip.add(2));
                    if !slot.is_null() {
                        let value = *slot;
                        *reg!($ip.add(2), $base, 1) = value;
                        value.retain();
                        next!(4)
                    }
                }
                get_field_alone!();
            }
            Op::GetIndexSetIndex => {
                let (from, from_at) = (*reg!($ip, $base, 2), reg!($ip, $base, 3));
                let (to, to_at) = (*reg!($ip.add(1), $base, 1), reg!($ip.add(1), $base, 2));
                if from.tag == tag::ARRAY
                    && to.tag == tag::ARRAY
                    && (*from_at).tag == tag::INT
                    && (*to_at).tag == tag::INT
                {
                    let (source, target) = (from.pointer::<Array>(), to.pointer::<Array>());
                    let (from_at, to_at) = ((*from_at).payload as usize, (*to_at).payload as usize);
                    if from_at < (*source).len()
                        && to_at < (*target).len()
                        && !(*target).is_guarded()
                    {
                        let value = *(*source).items().add(from_at);
                        let slot = (*target).items().add(to_at).cast_mut();
                        let old = *slot;
                        *slot = value;
                        value.retain();
                        old.release();
                        next!(2)
                    }
                }
                get_index_alone!();
            }
            Op::AddJumpLess => step!(<),
            Op::AddJumpLessEqual => step!(<=),
            Op::GetIndexJumpLess => element_jump!(<, true),
            Op::GetIndexJumpLessEqual => element_jump!(<=, true),
            Op::GetIndexJumpGreater => element_jump!(>, true),
            Op::GetIndexJumpGreaterEqual => element_jump!(>=, true),
            Op::GetIndexJumpNotLess => element_jump!(<, false),
            Op::GetIndexJumpNotLessEqual => element_jump!(<=, false),
            Op::GetIndexJumpNotGreater => element_jump!(>, false),
            Op::GetIndexJumpNotGreaterEqual => element_jump!(>=, false),
            Op::GetIndexJumpEqualK => character_jump!(true),
            Op::GetIndexJumpNotEqualK => character_jump!(false),
            Op::LenJumpLess => {
                let length = length!();
                let left = reg!($ip.add(1), $base, 1);
                if length >= 0 && (*left).tag == tag::INT {
                    $ip = $ip.add(1);
                    if ((*left).payload as i64) < length {
                        spend!(compare_target!());
                    }
                    next!()
                }
                len!();
            }
            Op::SwapElements => {
                let object = *reg!($ip, $base, 2);
                let (i, j) = (reg!($ip, $base, 3), reg!($ip.add(1), $base, 3));
                if object.tag == tag::ARRAY && (*i).tag == tag::INT && (*j).tag == tag::INT {
                    let array = object.pointer::<Array>();
                    let (i, j) = ((*i).payload as usize, (*j).payload as usize);
                    let length = (*array).len();
                    if i < length && j < length && !(*array).is_guarded() {
                        let items = (*array).items().cast_mut();
                        let (left, right) = (*items.add(i), *items.add(j));
                        *items.add(i) = right;
                        *items.add(j) = left;
                        next!(4)
                    }
                }
                get_index_alone!();
            }
            Op::AddReturn | Op::AddBCReturn => {
                let (left, right) = (reg!($ip, $base, 2), reg!($ip, $base, 3));
                return_number!(left, right, checked_add, +);
                $vm.ip = $ip;
                $vm.base = $base;
                check!($vm.add($ip, $base, left, right));
                next!()
            }
            Op::SubtractReturn => {
                let (left, right) = (reg!($ip, $base, 2), reg!($ip, $base, 3));
                return_number!(left, right, checked_sub, -);
                slow_arithmetic!();
            }
            Op::MultiplyReturn => {
                let (left, right) = (reg!($ip, $base, 2), reg!($ip, $base, 3));
                return_number!(left, right, checked_mul, *);
                slow_arithmetic!();
            }
            Op::GetFieldReturn => {
                let slot = field_slot!(*reg!($ip, $base, 2), $ip);
                if !slot.is_null() {
                    let value = *slot;
                    value.retain();
                    let local = reg!($ip.add(2), $base, 2);
                    if (*local).is_counted() {
                        take!(local).release();
                    }
                    leave!(value);
                }
                get_field_alone!();
            }
            Op::GetFieldAddLeft => field_operand!(3, checked_add, +, true),
            Op::GetFieldAddRight => field_operand!(2, checked_add, +, false),
            Op::GetFieldSubtractLeft => field_operand!(3, checked_sub, -, true),
            Op::GetFieldSubtractRight => field_operand!(2, checked_sub, -, false),
            Op::GetFieldMultiplyLeft => field_operand!(3, checked_mul, *, true),
            Op::GetFieldMultiplyRight => field_operand!(2, checked_mul, *, false),
            Op::MultiplyAddField => product_to_field!(checked_add, +),
            Op::MultiplySubtractField => product_to_field!(checked_sub, -),
            Op::AddAddI => {
                let (left, right) = (reg!($ip, $base, 2), reg!($ip, $base, 3));
                let more = field!($ip.add(1), 3) as i16;
                if (*left).tag == tag::INT {
                    if (*right).tag == tag::INT
                        && let Some(sum) =
                            ((*left).payload as i64).checked_add((*right).payload as i64)
                        && let Some(value) = sum.checked_add(i64::from(more))
                    {
                        set_int!(reg!($ip.add(1), $base, 1), value, 2);
                    }
                } else if (*left).tag == tag::FLOAT && (*right).tag <= tag::FLOAT {
                    let left = f64::from_bits((*left).payload);
                    let right = if (*right).tag == tag::INT {
                        (*right).payload as i64 as f64
                    } else {
                        f64::from_bits((*right).payload)
                    };
                    set_float!(reg!($ip.add(1), $base, 1), left + right + f64::from(more), 2);
                }
                addition!(left, right);
            }
            Op::AddIMultiply => {
                let left = reg!($ip, $base, 2);
                let other = reg!($ip.add(1), $base, 2);
                if (*left).tag == tag::INT {
                    if (*other).tag == tag::INT
                        && let Some(sum) =
                            ((*left).payload as i64).checked_add(i64::from(field!($ip, 3) as i16))
                        && let Some(value) = ((*other).payload as i64).checked_mul(sum)
                    {
                        set_int!(reg!($ip.add(1), $base, 1), value, 2);
                    }
                } else if (*left).tag == tag::FLOAT && (*other).tag == tag::FLOAT {
                    let sum = f64::from_bits((*left).payload) + f64::from(field!($ip, 3) as i16);
                    set_float!(
                        reg!($ip.add(1), $base, 1),
                        f64::from_bits((*other).payload) * sum,
                        2
                    );
                }
                arithmetic_immediate!(checked_add, +);
            }
            Op::GetIndexMultiplyAdd => {
                let slot = element!(*reg!($ip, $base, 2), reg!($ip, $base, 3));
                if !slot.is_null() {
                    let left = reg!($ip.add(1), $base, 2);
                    let other = reg!($ip.add(2), $base, 2);
                    if (*slot).tag == tag::FLOAT
                        && (*left).tag == tag::FLOAT
                        && (*other).tag == tag::FLOAT
                    {
                        let product =
                            f64::from_bits((*left).payload) * f64::from_bits((*slot).payload);
                        let sum = f64::from_bits((*other).payload) + product;
                        set_float!(reg!($ip.add(2), $base, 1), sum, 3);
                    }
                    if (*slot).tag == tag::INT
                        && (*left).tag == tag::INT
                        && (*other).tag == tag::INT
                        && let Some(product) =
                            ((*left).payload as i64).checked_mul((*slot).payload as i64)
                        && let Some(sum) = ((*other).payload as i64).checked_add(product)
                    {
                        set_int!(reg!($ip.add(2), $base, 1), sum, 3);
                    }
                }
                get_index_alone!();
            }
            Op::MultiplyAddLeft => {
                pair!(checked_mul, *, 3, checked_add, +, true);
                slow_arithmetic!();
            }
            Op::MultiplyAddRight => {
                pair!(checked_mul, *, 2, checked_add, +, false);
                slow_arithmetic!();
            }
            Op::MultiplySubtractLeft => {
                pair!(checked_mul, *, 3, checked_sub, -, true);
                slow_arithmetic!();
            }
            Op::MultiplySubtractRight => {
                pair!(checked_mul, *, 2, checked_sub, -, false);
                slow_arithmetic!();
            }
            Op::SubtractAddLeft => {
                pair!(checked_sub, -, 3, checked_add, +, true);
                slow_arithmetic!();
            }
        } }
    };
}
