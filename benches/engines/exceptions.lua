local find, sub = string.find, string.sub

local function parse_digit(c)
  local at = find("0123456789", c, 1, true)
  if not at then error({ code = 1, text = c }) end
  return at - 1
end

local function parse_number(text)
  local value = 0
  for i = 1, #text do value = value * 10 + parse_digit(sub(text, i, i)) end
  if value > 4000 then error({ code = 2, text = text }) end
  return value
end

local function guarded(text, state)
  local ok, result = pcall(function()
    state.opened = state.opened + 1
    return parse_number(text)
  end)
  state.closed = state.closed + 1
  if ok then return result end
  if result.code == 2 then error(result) end
  return -1
end

local function deep(n, limit)
  if n == limit then error(n, 0) end
  return deep(n + 1, limit) + 1
end

local function quiet(n)
  local ok, result = pcall(function() return n % 7 + 1 end)
  if ok then return result end
  return 0
end

local function main()
  local rounds = 300000
  local texts = { "12", "345", "6x", "9999", "0", "77", "-4", "1200" }
  local state = { opened = 0, closed = 0 }
  local sum, refused = 0, 0
  for i = 0, rounds - 1 do
    local ok, result = pcall(guarded, texts[i % 8 + 1], state)
    if ok then sum = sum + result else refused = refused + result.code end
    if i % 8 == 0 then
      local _, thrown = pcall(deep, 0, i % 20)
      sum = sum + thrown
    end
    for k = 0, 19 do sum = sum + quiet(i + k) end
  end
  print(string.format("%d %d %d %d", sum, refused, state.opened, state.closed))
end
main()
