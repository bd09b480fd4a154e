local yield, wrap, floor = coroutine.yield, coroutine.wrap, math.floor

local function numbers(limit)
  return wrap(function()
    local n = 0
    while n < limit do
      yield(n)
      n = n + 1
    end
  end)
end

local function kept(items, divisor)
  return wrap(function()
    for item in items do
      if item % divisor ~= 0 then yield(item) end
    end
  end)
end

local function running(items)
  return wrap(function()
    local sum = 0
    for item in items do
      sum = (sum * 3 + item) % 10007
      yield(sum)
    end
  end)
end

local function fibonacci()
  return wrap(function()
    local a, b = 0, 1
    while true do
      yield(a)
      a, b = b, (a + b) % 1000003
    end
  end)
end

local function build(low, high)
  if low > high then return nil end
  local middle = floor((low + high) / 2)
  return { left = build(low, middle - 1), value = middle, right = build(middle + 1, high) }
end

local function walk(tree)
  return wrap(function()
    if tree ~= nil then
      for value in walk(tree.left) do yield(value) end
      yield(tree.value)
      for value in walk(tree.right) do yield(value) end
    end
  end)
end

local function main()
  local limit = 900000
  local sum = 0
  for value in running(kept(kept(numbers(limit), 3), 5)) do sum = sum + value end
  local fib = fibonacci()
  for i = 1, limit do sum = sum + fib() end
  local tree = build(1, 500)
  local at = 0
  for round = 1, floor(limit / 6000) do
    for value in walk(tree) do
      at = at + 1
      sum = (sum + at * value) % 1000003
    end
  end
  print(string.format("%d %d", sum, at))
end
main()
