local floor, sort = math.floor, table.sort

local function make_people(count)
  local names = { "Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana" }
  local people = {}
  local seed = 99
  for i = 0, count - 1 do
    seed = seed * 16807 % 2147483647
    people[i + 1] = {
      id = i, name = names[seed % 8 + 1], age = 18 + floor(seed / 8) % 60, score = floor(seed / 480) % 1000 / 10.0,
    }
  end
  return people
end

local function by_age(a, b)
  if a.age ~= b.age then return a.age < b.age end
  return a.id < b.id
end

local function by_name_then_score(a, b)
  if a.name ~= b.name then return a.name < b.name end
  if a.score ~= b.score then return a.score > b.score end
  return a.id < b.id
end

local function checksum(people)
  local sum = 0
  for i = 1, #people do sum = (sum * 31 + people[i].id) % 1000003 end
  return sum
end

local function main()
  local people = make_people(6000)
  for round = 1, 10 do
    sort(people, by_age)
    print(string.format("%d", checksum(people)))
    sort(people, by_name_then_score)
    print(string.format("%d", checksum(people)))
    sort(people, function(a, b)
      if a.score < b.score then return true end
      if a.score > b.score then return false end
      return b.id < a.id
    end)
    print(string.format("%d", checksum(people)))
    sort(people, function(a, b) return b.id < a.id end)
    print(string.format("%d", checksum(people)))
  end
end
main()
