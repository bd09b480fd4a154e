local function tak(x, y, z)
  if y >= x then return z end
  return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y))
end

local function ackermann(m, n)
  if m == 0 then return n + 1 end
  if n == 0 then return ackermann(m - 1, 1) end
  return ackermann(m - 1, ackermann(m, n - 1))
end

local function hanoi(discs, from, to, spare, moves)
  if discs == 0 then return 0 end
  local count = hanoi(discs - 1, from, spare, to, moves)
  moves[to] = moves[to] + 1
  return count + 1 + hanoi(discs - 1, spare, to, from, moves)
end

local is_odd
local function is_even(n)
  if n == 0 then return true end
  return is_odd(n - 1)
end
function is_odd(n)
  if n == 0 then return false end
  return is_even(n - 1)
end

local function partitions(n, largest)
  if n == 0 then return 1 end
  local count = 0
  local part = n < largest and n or largest
  while part > 0 do
    count = count + partitions(n - part, part)
    part = part - 1
  end
  return count
end

local function main()
  print(string.format("%d", tak(24, 16, 7)))
  print(string.format("%d", ackermann(2, 300)))
  local moves = { [0] = 0, 0, 0 }
  local count = hanoi(20, 0, 1, 2, moves)
  print(string.format("%d %d %d %d", count, moves[0], moves[1], moves[2]))
  local evens = 0
  for i = 0, 999 do
    if is_even(i) then evens = evens + 1 end
  end
  print(evens)
  print(string.format("%d", partitions(60, 60)))
end
main()
