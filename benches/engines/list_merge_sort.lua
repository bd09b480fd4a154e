local function build(count, seed)
  local head = nil
  for i = 1, count do
    seed = seed * 16807 % 2147483647
    head = { value = seed % 100000, next = head }
  end
  return head
end

local function reversed(list)
  local result = nil
  while list ~= nil do
    local next = list.next
    list.next = result
    result = list
    list = next
  end
  return result
end

local function merge(a, b)
  local start = { value = 0, next = nil }
  local last = start
  while a ~= nil and b ~= nil do
    if a.value <= b.value then
      last.next = a
      a = a.next
    else
      last.next = b
      b = b.next
    end
    last = last.next
  end
  if a == nil then last.next = b else last.next = a end
  return start.next
end

local function sorted(list)
  if list == nil or list.next == nil then return list end
  local slow, fast = list, list.next
  while fast ~= nil and fast.next ~= nil do
    slow = slow.next
    fast = fast.next.next
  end
  local second = slow.next
  slow.next = nil
  return merge(sorted(list), sorted(second))
end

local function checksum(list)
  local sum = 0
  while list ~= nil do
    sum = (sum * 31 + list.value) % 1000003
    list = list.next
  end
  return sum
end

local function main()
  local rounds = 25
  local total = 0
  for round = 0, rounds - 1 do
    local list = sorted(build(10000, 17 + round))
    total = total + checksum(list)
    list = reversed(list)
    total = total + checksum(list)
    total = total + checksum(sorted(list))
  end
  print(string.format("%d", total))
end
main()
