//! The arms of the dispatch loop: elements, entries and slices.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! elements {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::GetIndex => get_index!(),
            Op::GetIndexT => get_index_consuming!(true, false),
            Op::GetIndexC => get_index_consuming!(false, true),
            Op::GetIndexTC => get_index_consuming!(true, true),
            Op::GetIndexI => {
                let from = reg!($ip, $base, 2);
                let object = *from;
                let to = reg!($ip, $base, 1);
                let at = field!($ip, 3) as usize;
                let value = if object.tag == tag::ARRAY && at < (*object.pointer::<Array>()).len() {
                    let value = *(*object.pointer::<Array>()).items().add(at);
                    value.retain();
                    value
                } else {
                    check!(member::get_index($vm, object, Raw::int(at as i64)))
                };
                *to = value;
                if to == from {
                    object.release();
                }
                next!()
            }
            Op::SetIndex => set_index!(false, false),
            Op::SetIndexC => set_index!(false, true),
            Op::SetIndexMoveC => set_index!(true, true),
            Op::SetIndexMove => set_index!(true, false),
            Op::SetIndexI => {
                let object = *reg!($ip, $base, 1);
                let index = reg!($ip, $base, 2);
                let value = immediate_of(field!($ip, 3));
                if object.tag == tag::ARRAY && (*index).tag == tag::INT {
                    let array = object.pointer::<Array>();
                    let at = (*index).payload as usize;
                    if at < (*array).len() && !(*array).is_guarded() {
                        let slot = (*array).items().add(at).cast_mut();
                        let old = *slot;
                        *slot = value;
                        old.release();
                        next!()
                    }
                }
                $vm.ip = $ip;
                $vm.base = $base;
                let mut value = value;
                if object.tag != tag::DICT
                    || !check!(member::set_entry($vm, object, index, &raw mut value, true))
                {
                    check!(member::set_index($vm, object, index, &raw mut value, true));
                }
                if *$ip >> 48 & 1 != 0 {
                    take!(index).release();
                }
                next!()
            }
            Op::AddIndex => {
                let object = *reg!($ip, $base, 1);
                let index = *reg!($ip, $base, 2);
                let old = reg!($ip, $base, 3);
                let right = reg!($ip.add(1), $base, 2);
                if object.tag == tag::ARRAY
                    && index.tag == tag::INT
                    && (*old).tag == tag::INT
                    && (*right).tag == tag::INT
                {
                    let array = object.pointer::<Array>();
                    let at = index.payload as usize;
                    let sum = ((*old).payload as i64).checked_add((*right).payload as i64);
                    if let Some(sum) = sum
                        && at < (*array).len()
                        && !(*array).is_guarded()
                    {
                        let slot = (*array).items().add(at).cast_mut();
                        let before = *slot;
                        *slot = Raw::int(sum);
                        before.release();
                        next!(2)
                    }
                }
                $vm.ip = $ip;
                $vm.base = $base;
                check!(member::add_index($vm, object, index, old, right));
                next!(2)
            }
            Op::AddElement => {
                let object = *reg!($ip, $base, 1);
                let index = *reg!($ip, $base, 2);
                let right = reg!($ip, $base, 3);
                if object.tag == tag::ARRAY && index.tag == tag::INT {
                    let array = object.pointer::<Array>();
                    let at = index.payload as usize;
                    if at < (*array).len() && !(*array).is_guarded() {
                        let slot = (*array).items().add(at).cast_mut();
                        if (*slot).tag == tag::INT && (*right).tag == tag::INT {
                            let sum = ((*slot).payload as i64).checked_add((*right).payload as i64);
                            if let Some(sum) = sum {
                                (*slot).payload = sum as u64;
                                next!(2)
                            }
                        } else if (*slot).tag == tag::FLOAT && (*right).tag == tag::FLOAT {
                            let sum =
                                f64::from_bits((*slot).payload) + f64::from_bits((*right).payload);
                            (*slot).payload = sum.to_bits();
                            next!(2)
                        }
                    }
                }
                let consumed = *$ip.add(1) & 1 != 0;
                $vm.ip = $ip;
                $vm.base = $base;
                check!(member::add_element($vm, object, index, right, consumed));
                next!(2)
            }
            Op::Slice => {
                let first = reg!($ip, $base, 2);
                let value = check!(member::slice($vm, first));
                *reg!($ip, $base, 1) = value;
                next!()
            }
        } }
    };
}
