local floor = math.floor
local function compose(f, g) return function(x) return f(g(x)) end end
local function adder(n) return function(x) return x + n end end
local function scaler(n, modulus) return function(x) return x * n % modulus end end

local function counter(start)
  local value = start
  return {
    up = function(step) value = value + step end,
    read = function() return value end,
  }
end

local function cached(f)
  local known = {}
  return function(x)
    local result = known[x]
    if result ~= nil then return result end
    result = f(x)
    known[x] = result
    return result
  end
end

local function each(items, visit)
  for i = 1, #items do visit(items[i]) end
end

local function chain(length)
  local f = adder(1)
  for i = 1, length - 1 do
    if i % 2 == 0 then f = compose(adder(i * 7), f) else f = compose(scaler(i + 2, 10007), f) end
  end
  return f
end

local function main()
  local f = chain(12)
  local total = 0
  for i = 0, 399999 do total = (total + f(i)) % 1000003 end
  print(string.format("%d", total))

  local counters = { counter(0), counter(100), counter(1000) }
  for i = 0, 999999 do counters[i % 3 + 1].up(i % 7) end
  print(string.format("%d %d %d", counters[1].read(), counters[2].read(), counters[3].read()))

  local steps = cached(function(n)
    local count = 0
    while n ~= 1 do
      if n % 2 == 0 then n = floor(n / 2) else n = 3 * n + 1 end
      count = count + 1
    end
    return count
  end)
  local sum = 0
  for i = 0, 999999 do sum = sum + steps(i % 500 + 1) end
  print(string.format("%d", sum))

  local items = {}
  for i = 0, 99 do items[i + 1] = i end
  local product = 1
  for i = 0, 19999 do
    each(items, function(item)
      product = (product * (item + 3) + i) % 65521
    end)
  end
  print(string.format("%d", product))
end
main()
